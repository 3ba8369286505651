"""A core's process on labelled devices: what tests have the pool start instead of its own.

    monkeypatch.setattr("chords_cli.engine.processes.worker_process", LabelledWorker())

Nothing in the product knows of it: the process that would begin with `worker_process` begins here,
changes what its libraries answer, and calls `worker_process`.
"""

import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from chords_cli.engine.messages import WorkerSpec
from chords_cli.engine.processes import worker_process


@dataclass(frozen=True, kw_only=True)
class LabelledWorker:
    """The target of a worker's process, picklable.

    Attributes:
        count: How many devices there are.
        free: Bytes that are free on every device.
        bad_fork: Whether processes that are forked find that CUDA was touched before; those that
            are spawned never do.
        notes: A folder in which every core leaves the devices that its tensors have lain on in
            `core-<number>.devices`, and the places where its host would have waited for one in
            `core-<number>.waits`, one a line each. None for no notes.
    """

    count: int = 2
    free: int = 8 << 30
    bad_fork: bool = False
    notes: Path | None = None

    def __call__(self, spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
        import chords_cli.engine.worker  # noqa: F401  libraries look at torch before it is changed
        from tests.doubles.labelled_cuda import Cuda, labelled_cuda

        spawned = "--multiprocessing-fork" in sys.orig_argv
        cuda = Cuda(count=self.count, free=self.free, bad_fork=self.bad_fork and not spawned)
        with labelled_cuda(cuda) as mode:
            worker_process(spec, pipe, lifeline)
            if self.notes:
                core = self.notes / f"core-{spec.core}"
                _write(core.with_suffix(".devices"), sorted(map(str, mode.devices)))
                _write(core.with_suffix(".waits"), mode.synchronisations)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
