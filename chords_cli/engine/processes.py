"""Worker processes: started together, watched together, ended together.

A failure is reported once, by the core that caused it; the other workers are then ended at
once.
"""

import multiprocessing.process
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from chords_cli.engine.hosts.remote import Hosts, RemoteProcess
from chords_cli.engine.hosts.watched import Worker
from chords_cli.engine.logs import redirect_output, temporary_folder
from chords_cli.engine.messages import Alive, Failed, Quit, WorkerSpec
from chords_cli.engine.settings import PoolSettings, worker_specs
from chords_cli.engine.start import (
    Context,
    StartMethod,
    check_may_start,
    preload,
    start_method,
    starting,
)
from chords_cli.engine.watch.blame import Watch
from chords_cli.engine.watch.pulse import PoolPipe
from chords_cli.engine.watch.server import lost_server, not_waiting_for_ever
from chords_cli.errors import ChordsError, verbatim
from chords_cli.pipelines.load.reporting import set_environment, without_collection

_QUIT_SECONDS = 5.0
"""How long workers may take to end by themselves."""

_KILL_SECONDS = 1.0
"""How long a terminated worker may take before it is killed."""

_LOOK_SECONDS = 0.1
"""How often to look whether one has ended of whose end nobody tells."""

_GLANCE_SECONDS = 1.0
"""How long to listen to all cores at a time. No more of a silence is counted at once, because this
process may have been stopped itself."""

_NAME = "chords-process-"
"""How the names of workers begin."""

_LINKS = 4
"""How many times longer on several hosts: the word of a slow link comes late."""


class Workers:
    """One process per core and member; none outlives `end`.

    Args:
        hosts: All hosts, if there are several.

    Attributes:
        folder: Where logs are, and the files by which workers find one another.
        watch: Over them.

    Raises:
        ChordsError: The temporary folder of this process is gone or full.
    """

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._workers: list[Worker] = []
        self._hosts = hosts
        check_may_start()  # or what it refuses would leave the folder
        within = temporary_folder()
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="pool-", dir=within))
        except OSError as error:
            raise ChordsError(
                f"no core can be started: {verbatim(within)}: {error.strerror}",
                "run it again, with TMPDIR set to a folder that has room and that nobody empties",
            ) from error
        self.watch = Watch(self._workers, _LINKS if hosts else 1)

    def start(self, settings: PoolSettings) -> StartMethod:
        """Starts process k on device k; Ctrl-C reaches none of them. Returns how.

        Raises:
            ChordsError: The system refuses a process, or the one that they are forked from died.
        """
        preload(settings.model.pipeline)
        specs = worker_specs(settings, self.folder)
        method = start_method([spec.device for spec in specs])
        placed = self._hosts.join(specs) if self._hosts else ((spec, None) for spec in specs)
        # a forked process inherits from the server, and Ctrl-C need not wait for its imports
        forks = method.method == "fork"
        with starting(interruptible=forks), not_waiting_for_ever():
            for spec, host in placed:
                if host:
                    process = host.start(spec)
                    worker = Worker(spec, process, process.pipe, process.sentinel)
                    self._workers.append(worker)
                else:
                    self.begin(method.context, spec)
        return method

    def begin(self, context: Context, spec: WorkerSpec) -> Worker:
        """Starts a worker on this host, inside of `starting`.

        Raises:
            ChordsError: The system refuses it, or the process that it is forked from died.
        """
        try:
            self._workers.append(_start(context, spec))
            return self._workers[-1]
        except (EOFError, ConnectionError) as error:
            raise lost_server() from error
        except OSError as error:
            if not self.folder.exists():
                raise ChordsError(
                    f"{spec.name} cannot be started: the temporary folder "
                    f"{verbatim(self.folder.parent)} is gone",
                    "run it again, with TMPDIR set to a folder that nobody empties meanwhile",
                ) from error
            raise ChordsError(
                f"{spec.name} cannot be started: {error.strerror or error}",
                "use fewer {cores}, or raise the limits of this shell (ulimit -a shows them)",
                {"cores": None},
            ) from error

    def __len__(self) -> int:
        return len(self._workers)

    def send(self, rank: int, message: object) -> None:
        """Sends `message` to a process.

        Raises:
            ChordsError: The process, or one that took it along, is gone.
        """
        try:
            self._workers[rank].pipe.send(message)
        except OSError:
            raise self.watch.blame(rank) from None

    def messages(self, bell: Connection | None = None) -> Iterator[tuple[int | None, object]]:
        """Yields everything that workers send, in order of arrival, for as long as it is asked.

        Each message comes with the number of its process. What rings the `bell` comes as well, as
        bytes and from no process.

        Raises:
            ChordsError: A worker failed, died, or showed no sign of life for its timeout.
        """
        pipes, ends, bells = dict[Any, int](), dict[Any, int](), [bell] if bell else []
        for worker in self._workers:
            pipes[worker.pipe] = ends[worker.process.sentinel] = worker.spec.process
        self.watch.begin()
        while True:
            began = time.monotonic()
            ready = wait([*pipes, *ends, *bells], _GLANCE_SECONDS)
            self.watch.silences.pass_by(min(time.monotonic() - began, _GLANCE_SECONDS))
            for pipe in (end for end in ready if end in pipes):
                message = self._hear(pipes[pipe])
                self.watch.hear(pipes[pipe], message)
                if not isinstance(message, Alive):
                    yield pipes[pipe], message
            for rung in (bell for bell in bells if bell in ready):
                yield None, rung.recv_bytes()
            for end in (end for end in ready if end in ends):
                raise self.watch.blame(ends[end])
            if error := self.watch.overdue():
                raise error

    def end(self, *, at_once: bool) -> None:
        """Ends all workers: by asking, unless `at_once`, then by force."""
        try:
            if not at_once:
                for worker in self._workers:
                    with suppress(OSError):
                        worker.pipe.send(Quit())
                _join(self._workers, _QUIT_SECONDS)
        finally:  # Ctrl-C may come meanwhile
            self._end_by_force()

    def _end_by_force(self) -> None:
        for force in ("terminate", "kill"):
            alive = [worker for worker in self._workers if worker.runs]
            for worker in alive:
                getattr(worker.process, force)()
            _join(alive, _KILL_SECONDS)
        for worker in self._workers:
            worker.pipe.close()
            worker.lifeline.close()
        self._workers.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hear(self, rank: int) -> object:
        try:
            message = self._workers[rank].pipe.recv()
        except (EOFError, OSError):
            raise self.watch.blame(rank) from None
        if isinstance(message, Failed):
            raise self.watch.blame(rank, message)
        process = self._workers[rank].process
        if isinstance(process, RemoteProcess) and hasattr(message, "at"):
            return replace(message, at=message.at - process.ahead)
        return message


def worker_process(spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
    """Begins a worker: the target of its process, which may have imported nothing yet."""
    redirect_output(spec.log)
    set_environment()
    to_pool = PoolPipe(pipe)
    to_pool.beat(spec.core, spec.timeout)
    try:
        with without_collection():
            from chords_cli.engine.worker import run_worker
    except Exception as error:  # noqa: BLE001  whatever a broken installation raises
        to_pool.send(_not_imported(spec, error))
        return
    run_worker(spec, to_pool, lifeline)


def _not_imported(spec: WorkerSpec, error: Exception) -> Failed:
    """Tells the pool that what a worker needs cannot be imported, and of which library it is."""
    missing = (name for name in ("torch", "transformers", "diffusers") if name not in sys.modules)
    library = next(missing, "what cores need")
    reason = " ".join(str(error).split()) or type(error).__name__
    return Failed(
        core=spec.core,
        error=ChordsError(
            f"{spec.name} on {spec.place}: {library} cannot be imported: {verbatim(reason[:300])}",
            "`python -c 'import torch, diffusers'` in this environment shows more; "
            "install both again",
        ),
        details="".join(traceback.format_exception(error)),
    )


def _start(context: Context, spec: WorkerSpec) -> Worker:
    pipe, their_pipe = context.Pipe()
    lifeline, their_lifeline = context.Pipe()
    process = context.Process(
        target=worker_process,
        args=(spec, their_pipe, their_lifeline),
        name=f"{_NAME}{spec.process}",
        daemon=True,
    )
    process.start()
    their_pipe.close()  # so that a dead worker is an end of file, not a silence
    their_lifeline.close()
    return Worker(spec, process, pipe, lifeline)


def _join(workers: Sequence[Worker], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for worker in workers:
        while worker.runs and (left := deadline - time.monotonic()) > 0:
            worker.process.join(min(left, _LOOK_SECONDS))


def _disown() -> None:
    """Keeps a process that was forked from the pool's from ending the workers when it ends."""
    children: set[Any] = multiprocessing.process._children  # type: ignore[attr-defined]
    for child in [*children]:
        if child.name.startswith(_NAME):
            children.discard(child)


os.register_at_fork(after_in_child=_disown)
