"""Worker processes: started together, watched together, ended together.

A failure is reported once, by the core that caused it; the other workers are then ended at
once.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from chords_cli.engine.hosts.remote import Hosts, RemoteProcess
from chords_cli.engine.hosts.watched import Worker, death
from chords_cli.engine.messages import (
    Alive,
    Failed,
    LostNeighbourError,
    Quit,
    WaitedInVainError,
    WorkerSpec,
)
from chords_cli.engine.pulse import PoolPipe, Silences
from chords_cli.engine.settings import PoolSettings, worker_specs
from chords_cli.engine.start import (
    DEFAULT_TIMEOUT,
    Context,
    StartMethod,
    last_line,
    preload,
    redirect_output,
    start_log,
    start_method,
    starting,
)
from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.reporting import set_environment

_QUIT_SECONDS = 5.0
"""How long workers may take to end by themselves."""

_KILL_SECONDS = 1.0
"""How long a terminated worker may take before it is killed."""

_GLANCE_SECONDS = 1.0
"""How long to listen to all cores at a time. No more of a silence is counted at once, because this
process may have been stopped itself."""

_BLAME_SECONDS = 1.0
"""How long to listen, when one core fails, for another whose end is the real cause."""

_LINKS = 4
"""How many times longer on several hosts: the word of a slow link comes late."""


class Workers:
    """One process per core and member; none outlives `end`.

    Args:
        hosts: All hosts, if there are several.

    Attributes:
        folder: Where logs are, and the files by which workers find one another.
    """

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._workers: list[Worker] = []
        self._hosts = hosts
        self.folder = Path(tempfile.mkdtemp(prefix="chords-"))
        self._heard: set[int] = set()
        self._silences = Silences(())

    def start(self, settings: PoolSettings) -> StartMethod:
        """Starts process k on device k; Ctrl-C reaches none of them. Returns how.

        Raises:
            ChordsError: The system refuses a process, or the one that they are forked from died.
        """
        preload(settings.model.pipeline)
        specs = worker_specs(settings, self.folder)
        method = start_method([spec.device for spec in specs])
        placed = self._hosts.join(specs) if self._hosts else ((spec, None) for spec in specs)
        with starting():
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
            quoted = last_line(start_log())[:200]
            raise ChordsError(
                f"the process that starts the cores died{f' ({quoted})' if quoted else ''}",
                "run it again; if the system killed it for its memory, free some first",
            ) from error
        except OSError as error:
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
            raise self._blame(rank) from None

    def messages(self) -> Iterator[tuple[int, object]]:
        """Yields everything that workers send, in order of arrival, for as long as it is asked.

        Each message comes with the number of its group.

        Raises:
            ChordsError: A worker failed, died, or showed no sign of life for its timeout.
        """
        pipes, ends = dict[Any, int](), dict[Any, int]()
        for worker in self._workers:
            pipes[worker.pipe] = ends[worker.process.sentinel] = worker.spec.process
        self._silences = silences = Silences([*pipes.values()])
        while True:
            began = time.monotonic()
            ready = wait([*pipes, *ends], _GLANCE_SECONDS)
            silences.pass_by(min(time.monotonic() - began, _GLANCE_SECONDS))
            for pipe in (end for end in ready if end in pipes):
                message = self._hear(pipes[pipe])
                self._heard.add(pipes[pipe])
                silences.end(pipes[pipe], message)
                if not isinstance(message, Alive):
                    yield self._workers[pipes[pipe]].spec.group, message
            for end in (end for end in ready if end in ends):
                raise self._blame(ends[end])
            if (rank := silences.culprit(self._limits())) is not None:
                raise self._hung(rank)

    def end(self, *, at_once: bool) -> None:
        """Ends all workers: by asking, unless `at_once`, then by force."""
        if not at_once:
            for worker in self._workers:
                with suppress(OSError):
                    worker.pipe.send(Quit())
            _join([worker.process for worker in self._workers], _QUIT_SECONDS)
        for force in ("terminate", "kill"):
            alive = [worker.process for worker in self._workers if worker.process.is_alive()]
            for process in alive:
                getattr(process, force)()
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
            raise self._blame(rank) from None
        if isinstance(message, Failed):
            raise self._blame(rank, message)
        process = self._workers[rank].process
        if isinstance(process, RemoteProcess) and hasattr(message, "at"):
            return replace(message, at=message.at - process.ahead)
        return message

    def _limits(self) -> dict[int, float]:
        """Returns per process after how many seconds of silence it is given up.

        Before its first word a process begins to be, which no `timeout` for cores is meant for.
        """
        limits = {worker.spec.process: worker.spec.timeout for worker in self._workers}
        begun = self._heard
        return {k: own if k in begun else max(own, DEFAULT_TIMEOUT) for k, own in limits.items()}

    def _hung(self, rank: int) -> ChordsError:
        spec, seconds = self._workers[rank].spec, self._limits()[rank]
        return ChordsError(
            f"{spec.name} on {spec.place} hangs: no sign of life for {seconds:g} s",
            "run it again; raise {timeout} if its device was only busy",
            {"timeout": None},
        )

    def _blame(self, rank: int, failed: Failed | None = None) -> ChordsError:
        """Finds the one error to report when process `rank` is the first to show trouble.

        A core that dies takes its neighbours' lines with it, so others may complain first; so they
        do of each other when they wait for one that was stopped.
        """
        failures = {rank: failed} if failed else {}
        deadline = time.monotonic() + _BLAME_SECONDS * (_LINKS if self._hosts else 1)
        while True:
            failures |= self._last_words()
            for failure in failures.values():
                if not isinstance(failure.error, LostNeighbourError | WaitedInVainError):
                    return _as_error(failure)
            dead = [w for w in self._workers if not w.process.is_alive()]
            silent = [w for w in dead if w.spec.process not in failures]
            if silent:
                return death(silent[0], _KILL_SECONDS)
            if (mute := self._silences.mute(self._limits())) is not None:
                return self._hung(mute)
            for failure in failures.values():
                if isinstance(failure.error, WaitedInVainError):
                    return _as_error(failure)
            left = deadline - time.monotonic()
            if left <= 0:
                own = failures.get(rank)
                return _as_error(own) if own else death(self._workers[rank], _KILL_SECONDS)
            wait([w.process.sentinel for w in self._workers if w not in dead], min(left, 0.05))

    def _last_words(self) -> dict[int, Failed]:
        words: dict[int, Failed] = {}
        for worker in self._workers:
            with suppress(EOFError, OSError):
                while worker.pipe.poll():
                    message = worker.pipe.recv()
                    if isinstance(message, Failed):
                        words[worker.spec.process] = message
        return words


def worker_process(spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
    """Begins a worker: the target of its process, which may have imported nothing yet."""
    redirect_output(spec.log)
    set_environment()
    to_pool = PoolPipe(pipe)
    to_pool.beat(spec.core, spec.timeout)
    from chords_cli.engine.worker import run_worker

    run_worker(spec, to_pool, lifeline)


def _start(context: Context, spec: WorkerSpec) -> Worker:
    pipe, their_pipe = context.Pipe()
    lifeline, their_lifeline = context.Pipe()
    process = context.Process(
        target=worker_process,
        args=(spec, their_pipe, their_lifeline),
        name=f"chords-process-{spec.process}",
        daemon=True,
    )
    process.start()
    their_pipe.close()  # so that a dead worker is an end of file, not a silence
    their_lifeline.close()
    return Worker(spec, process, pipe, lifeline)


def _as_error(failed: Failed) -> ChordsError:
    failed.error.add_note(failed.details)
    return failed.error


def _join(processes: Sequence[BaseProcess | RemoteProcess], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
