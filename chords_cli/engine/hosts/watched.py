"""A worker as the pool sees it, on this host or another, and how its death is told."""

import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from chords_cli.engine.hosts.remote import RemotePipe, RemoteProcess
from chords_cli.engine.logs import last_line
from chords_cli.engine.messages import WorkerSpec
from chords_cli.engine.start import script_ran_again
from chords_cli.engine.watch.server import ended_unheard, has_died, lost_server
from chords_cli.errors import ChordsError

_UNKNOWN = 255
"""The exit code that multiprocessing gives a process when the one it was forked from is gone."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as its parent sees it; it ends when its lifeline does."""

    spec: WorkerSpec
    process: BaseProcess | RemoteProcess
    pipe: Connection | RemotePipe
    lifeline: Connection

    @property
    def runs(self) -> bool:
        """Whether it runs. Multiprocessing learns of its end from the one it was forked from."""
        if isinstance(self.process, RemoteProcess) or not self.process.is_alive():
            return self.process.is_alive()
        return not ended_unheard(self.process.pid)

    @property
    def last_line(self) -> str:
        """The last that it printed."""
        if isinstance(self.process, RemoteProcess):
            return self.process.line[:200]
        return last_line(Path(self.spec.log))[:200]


def death(worker: Worker, seconds: float, doing: str) -> ChordsError:
    """Returns the error for a worker that has ended.

    Args:
        worker: Which one.
        seconds: How long to wait for how it ended.
        doing: What it did last, after "while".
    """
    process, spec = worker.process, worker.spec
    process.join(seconds)
    here = not isinstance(process, RemoteProcess)
    if isinstance(process, RemoteProcess) and process.lost:
        return process.lost
    code = process.exitcode
    if code is None:
        how = "it closed its connection"
    elif code == _UNKNOWN and here and has_died(seconds):
        return lost_server()
    elif code > 0 and here and not Path(spec.log).exists():  # before this package ran
        return script_ran_again(spec.core)
    else:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    quoted = f" ({worker.last_line})" if worker.last_line else ""
    return ChordsError(
        f"{spec.name} on {spec.place} died while {doing}: {how}{quoted}",
        "run it again; if the system killed it for its memory, use fewer cores or a smaller size",
    )
