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
            return self._hung(rank)
        rank = self.silences.stuck(limits)
        return None if rank is None else self._stuck(rank)

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

    def _stuck(self, rank: int) -> ChordsError:
        spec, silence = self._workers[rank].spec, self.silences[rank]
        how = f"is stuck: no progress for {silence.still:.0f} s while {silence.doing}"
        if silence.idle > silence.still / 2:  # it is not even at work
            how = f"hangs: no sign of life for {silence.idle:.0f} s"
        return ChordsError(
            f"{spec.name} on {spec.place} {how}",
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
                return death(silent[0], _END_SECONDS)
            if (mute := self.silences.mute(self._limits())) is not None:
                return self._hung(mute)
            for failure in failures.values():
                if isinstance(failure.error, WaitedInVainError):
                    still = self.silences.stillest(self._limits())
                    return _as_error(failure) if still is None else self._stuck(still)
            left = deadline - time.monotonic()
            if left <= 0:
                own = failures.get(rank)
                return _as_error(own) if own else death(self._workers[rank], _END_SECONDS)
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


def _as_error(failed: Failed) -> ChordsError:
    failed.error.add_note(failed.details)
    return failed.error
