"""A worker's end of its pipe, and the signs of life on it.

A core that computes a long step says nothing, and neither does one that hangs. What tells them
apart is whether the process works. So a thread of its own tells the pool that the core is alive
while the process uses the processor, or waits for the pool or for a neighbour: such a wait has a
limit of its own. Otherwise it tells only that the process is there. A process may work without
end and get nowhere, too. So the thread also tells how often the work itself has got on: that is
counted by whoever takes a step, never by the thread. What a process begins to do is told at once,
so that the pool knows it when the process dies. Nothing here needs torch, because a process is
alive before it has imported it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from chords_cli.engine.messages import Alive

_BEATS = 8
"""How many signs of life there are at least within the timeout."""

_LONGEST = 5.0
"""Seconds between two signs of life at most."""

_WORKING = 0.01
"""How much of the time a process computes that is not counted as hanging. Gloo's threads wake up a
hundred times a second."""


class PoolGoneError(Exception):
    """The pool wants nothing more of this process, or is gone."""


class PoolPipe:
    """A worker's end of its pipe; several threads may send."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._sending, self._counting = pipe, threading.Lock(), threading.Lock()
        self._waits = self._turns = 0
        self._doing, self._core = "starting", -1
        self.poll = pipe.poll

    def send(self, message: object) -> None:
        self.turn()
        with self._sending:
            self._pipe.send(message)

    def recv(self) -> object:
        """Returns the pool's next message, once there is one.

        Raises:
            PoolGoneError: None will come.
        """
        with self.waiting():
            try:
                return self._pipe.recv()
            except EOFError:
                raise PoolGoneError from None

    def turn(self, doing: str = "") -> None:
        """Notes that the process gets on: it begins to do something, or the next piece of it."""
        with self._counting:
            self._turns += 1
            begins = doing not in ("", self._doing)
            self._doing = doing or self._doing
        if begins and self._core >= 0:
            self._tell(works=True)

    @property
    def doing(self) -> str:
        """What the process is doing, after "while"."""
        return self._doing

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
        self._core, seconds = core, min(timeout / _BEATS, _LONGEST)
        threading.Thread(target=self._beat, args=(seconds,), daemon=True).start()

    def _beat(self, seconds: float) -> None:
        used = -1.0
        while True:
            now = time.process_time() - time.thread_time()  # telling is no work
            try:
                self._tell(works=now - used > _WORKING * seconds)
            except OSError:
                return  # the pool is gone
            used = now
            time.sleep(seconds)

    def _tell(self, *, works: bool) -> None:
        """Sends a sign of life that is true while it is sent: none overtakes a later one.

        The lock of counting is held for a moment only, so that work goes on while the pipe is full.
        """
        with self._sending:
            with self._counting:
                waits, turns, doing = bool(self._waits), self._turns, self._doing
            self._pipe.send(Alive(self._core, works or waits, waits, turns, doing))

    def _count(self, more: int) -> None:
        with self._counting:
            self._waits += more
            self._turns += 1
