"""Finds the one core whose trouble ends a run, however many complain."""

import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import wait

from chords_cli.engine.hosts.watched import Worker, death
from chords_cli.engine.messages import Failed, LostNeighbourError, WaitedInVainError
from chords_cli.engine.start import DEFAULT_TIMEOUT
from chords_cli.engine.watch.silences import Silences
from chords_cli.errors import ChordsError

_BLAME_SECONDS = 1.0
"""How long to listen, when one core fails, for another whose end is the real cause."""

_END_SECONDS = 1.0
"""How long to wait for how a process has ended."""


class Watch:
    """Watches over the workers of a pool.

    Args:
        workers: All of them, as they start.
        patience: How many times longer to listen for whoever is to blame.

    Attributes:
        silences: Of the workers, since `begin`.
    """

    def __init__(self, workers: Sequence[Worker], patience: int = 1) -> None:
        self._workers, self._patience = workers, patience
        self._heard = set[int]()
        self.silences = Silences(())

    def begin(self) -> None:
        """Counts silences from now on."""
        ranks = [worker.spec.process for worker in self._workers]
        if self.silences.ranks != ranks:
            self.silences = Silences(ranks)
        self.silences.forget()

    def hear(self, rank: int, message: object) -> None:
        """Notes that a process has sent a message."""
        self._heard.add(rank)
        self.silences.end(rank, message)

    def overdue(self) -> ChordsError | None:
        """Returns the error for a process that was silent for too long, if there is one."""
        limits = self._limits()
        if (rank := self.silences.culprit(limits)) is not None:
            return self._hung(rank, limits[rank])
        rank = self.silences.stuck(limits)
        return None if rank is None else self._stuck(rank)

    def _limits(self) -> dict[int, float]:
        """Returns per process after how many seconds of silence it is given up.

        Before its first word a process begins to be, which no `timeout` for cores is meant for.
        """
        limits = {worker.spec.process: worker.spec.timeout for worker in self._workers}
        begun = self._heard
        return {k: own if k in begun else max(own, DEFAULT_TIMEOUT) for k, own in limits.items()}

    def _hung(self, rank: int, seconds: float) -> ChordsError:
        spec, doing = self._workers[rank].spec, self.silences[rank].doing
        return ChordsError(
            f"{spec.name} on {spec.place} hangs: no sign of life for {seconds:g} s while {doing}",
            "run it again; raise {timeout} if its device was only busy",
            {"timeout": None},
        )

    def _stuck(self, rank: int) -> ChordsError:
        spec, silence = self._workers[rank].spec, self.silences[rank]
        how = f"is stuck: no progress for {silence.still:.0f} s"
        if silence.idle > silence.still / 2:  # it is not even at work
            how = f"hangs: no sign of life for {silence.idle:.0f} s"
        return ChordsError(
            f"{spec.name} on {spec.place} {how} while {silence.doing}",
            "run it again; raise {timeout} if it was only slow",
            {"timeout": None},
        )

    def blame(self, rank: int, failed: Failed | None = None) -> ChordsError:
        """Finds the one error to report when process `rank` is the first to show trouble.

        A core that dies takes its neighbours' lines with it, so others may complain first; so they
        do of each other when they wait for one that was stopped.
        """
        failures = {rank: failed} if failed else {}
        deadline = time.monotonic() + _BLAME_SECONDS * self._patience
        while True:
            failures |= self._last_words()
            for failure in failures.values():
                if not isinstance(failure.error, LostNeighbourError | WaitedInVainError):
                    return _as_error(failure)
            dead = [w for w in self._workers if not w.process.is_alive()]
            silent = [w for w in dead if w.spec.process not in failures]
            if silent:
                return self._death(silent[0])
            if (mute := self.silences.mute(self._limits())) is not None:
                return self._hung(mute, self._limits()[mute])
            for waited, failure in failures.items():
                if isinstance(failure.error, WaitedInVainError):
                    return self._waited_for(waited) or _as_error(failure)
            left = deadline - time.monotonic()
            if left <= 0:
                own = failures.get(rank)
                return _as_error(own) if own else self._death(self._workers[rank])
            wait([w.process.sentinel for w in self._workers if w not in dead], min(left, 0.05))

    def _waited_for(self, rank: int) -> ChordsError | None:
        """Finds the process that let process `rank` wait for all of its timeout."""
        limits = {worker.spec.process: worker.spec.timeout for worker in self._workers}
        if (still := self.silences.stillest(limits)) is not None:
            mute = self.silences.mute(limits)
            return self._stuck(still) if mute is None else self._hung(mute, limits[mute])
        group, loading = self._workers[rank].spec.group, ("starting", "loading")
        others = [w.spec for w in self._workers if (w.spec.group, w.spec.process) != (group, rank)]
        late = [spec for spec in others if self.silences[spec.process].doing in loading]
        if names := [spec.name for spec in late if spec.group == group]:
            return ChordsError(
                f"{' and '.join(names)} did not get ready within {limits[rank]:g} s of the first",
                "raise {timeout} if loading takes longer on some device",
                {"timeout": None},
            )
        return None

    def _death(self, worker: Worker) -> ChordsError:
        return death(worker, _END_SECONDS, self.silences[worker.spec.process].doing)

    def _last_words(self) -> dict[int, Failed]:
        words: dict[int, Failed] = {}
        for worker in self._workers:
            with suppress(EOFError, OSError):
                while worker.pipe.poll():
                    message = worker.pipe.recv()
                    self.hear(worker.spec.process, message)
                    if isinstance(message, Failed):
                        words[worker.spec.process] = message
        return words


def _as_error(failed: Failed) -> ChordsError:
    failed.error.add_note(failed.details)
    return failed.error
