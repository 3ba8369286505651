"""A worker's end of its pipe, and the signs of life on it.

A core that computes a long step says nothing, and neither does one that hangs. What tells them
apart is whether the process works. So a thread of its own tells the pool that the core is alive
while the process uses the processor, or waits for the pool or for a neighbour: such a wait has a
limit of its own. Otherwise it tells only that the process is there. Nothing here needs torch,
because a process is alive before it has imported it.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from chords_cli.engine.messages import Alive

_BEATS = 8
"""How many signs of life there are at least within the timeout."""

_LONGEST = 5.0
"""Seconds between two signs of life at most."""

_WORKING = 0.001
"""How much of the time a process computes that is not counted as hanging."""


class PoolPipe:
    """A worker's end of its pipe; several threads may send."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._sending, self._counting = pipe, threading.Lock(), threading.Lock()
        self._waits = 0
        self.poll = pipe.poll

    def send(self, message: object) -> None:
        with self._sending:
            self._pipe.send(message)

    def recv(self) -> object:
        with self.waiting():
            return self._pipe.recv()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts as alive inside the block, where a thread waits for another process."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def beat(self, core: int, timeout: float) -> None:
        """Begins to tell the pool, for as long as the process lives, whether it is alive."""
        seconds = min(timeout / _BEATS, _LONGEST)
        threading.Thread(target=self._beat, args=(core, seconds), daemon=True).start()

    def _beat(self, core: int, seconds: float) -> None:
        used = -1.0
        while True:
            now = time.process_time()
            works = bool(self._waits) or now - used > _WORKING * seconds
            try:
                self.send(Alive(core, works))
            except OSError:
                return  # the pool is gone
            used = now
            time.sleep(seconds)

    def _count(self, more: int) -> None:
        with self._counting:
            self._waits += more


class Silences:
    """How long each process of a pool has given no sign of life, as the pool hears them.

    Args:
        ranks: Of the processes.
    """

    def __init__(self, ranks: Sequence[int]) -> None:
        self._idle, self._mute = dict.fromkeys(ranks, 0.0), dict.fromkeys(ranks, 0.0)

    def pass_by(self, seconds: float) -> None:
        """Counts seconds in which nothing was heard, as far as `end` does not take them back."""
        for rank in self._idle:
            self._idle[rank] += seconds
            self._mute[rank] += seconds

    def end(self, rank: int, message: object) -> None:
        """Notes that a process has sent a message."""
        self._mute[rank] = 0.0
        if not isinstance(message, Alive) or message.works:
            self._idle[rank] = 0.0

    def culprit(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process hangs, if one was silent for longer than its limit.

        Those that wait for it inside the model are as idle, but not as mute if it was stopped.
        """
        late = [rank for rank, seconds in self._idle.items() if seconds > limits[rank]]
        mute = self.mute(limits)
        return mute if late and mute is not None else next(iter(late), None)

    def mute(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process does not even say that it is there, if one does not."""
        rank = max(self._mute, key=self._mute.__getitem__, default=None)
        return rank if rank is not None and self._mute[rank] > limits[rank] / 2 else None
