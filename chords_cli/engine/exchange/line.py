"""Latents between neighbouring cores.

A receive waits only for a late core. A send waits only for a faster core that is far behind: it has
as many latents on the way as its sender allows.

A job may end before its plan does (`Cancel`). So that the next job finds an empty line, every job
closes it: a core that has not sent all of its latents sends a void one in the place of the next,
which frees a neighbour that waits for it, and a core takes what it has not received, up to that.
Lines are closed before outputs are decoded: no neighbour waits for a decoder, but one that is
ahead with the next job, once its line is full.
"""

import time
from collections import deque
from collections.abc import Callable
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor

from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.latents import is_finite


class NonFiniteError(Exception):
    """A core was to send a latent with nan or infinity in it, in `round`."""

    def __init__(self, round: int) -> None:
        super().__init__(f"round {round}")
        self.round = round


class Line:
    """`sampler.Link` between processes, for one job; latents travel as float32.

    Args:
        exchange: Where the cores have met.
        sends: The rounds in which this core sends, in order.
        receives: The rounds in which it receives, in order.

    Attributes:
        ended: Whether the slower core has stopped before it had sent all latents of its plan.
        waited: Seconds spent waiting for latents.
    """

    def __init__(self, exchange: Exchange, sends: list[int], receives: list[int]) -> None:
        self._exchange = exchange
        self._slower, self._faster = (
            exchange.rank - exchange.members,
            exchange.rank + exchange.members,
        )
        self._sends, self._receives = deque(sends), deque(receives)
        self._underway: deque[tuple[Tensor, Callable[[], dist.Work | None]]] = deque()
        self._coming: tuple[Tensor, dist.Work | None] | None = None
        self._read: Tensor | None = None
        self._shape = torch.Size()
        self._met = False
        self.ended = False
        self.waited = 0.0
        self._non_finite: NonFiniteError | None = None

    def expect(self, like: Tensor) -> None:
        """Takes the shape of this job's latents, so that the first one can come."""
        self._shape = like.shape
        self._ask()

    def send(self, round: int, latent: Tensor) -> None:
        """Sends a latent.

        Raises:
            NonFiniteError: It is not finite, or an earlier one was not.
        """
        assert self._sends[0] == round, "a core sends in the order of its plan"
        self._limit()
        post = partial(self._post, self._sends.popleft())
        self._underway.append(self._exchange.sender.send(latent, post))

    def check(self) -> None:
        """Raises `NonFiniteError` if that is known of a latent already."""
        if self._non_finite:
            raise self._non_finite

    def receive(self, round: int, like: Tensor) -> Tensor:
        """Returns the latent of `round`; zeros where the slower core has stopped (see `ended`).

        It lasts until the next one is asked for.
        """
        began = time.monotonic()
        if self.ended:
            return torch.zeros_like(like)
        assert self._receives[0] == round, "a core receives in the order of its plan"
        arrived = self._take()
        self.waited += time.monotonic() - began
        if self.ended:
            return torch.zeros_like(like)
        return self._exchange.receiver.read(arrived, like)

    def close(self) -> None:
        """Leaves nothing on the way, whether the plan was followed to its end or not.

        Raises:
            NonFiniteError: A latent was not finite.
        """
        if self._sends:
            self._limit()
            void = self._exchange.sender.void(self._shape)
            with self._exchange.naming(self._faster):
                work = dist.isend(void, self._faster, tag=self._sends[0])
            self._underway.append((void, lambda: work))
            self._sends.clear()
        while self._receives:
            self._take()
        while self._underway:
            self._settle()
        if self._read is not None:
            self._exchange.receiver.release(self._read)

    def _post(self, round: int, sent: Tensor, latent: Tensor) -> dist.Work | None:
        """Posts what is sent of a latent, in a thread of its own on some devices.

        One that is not finite stays here: the next core would be taken to have made it.
        """
        if not is_finite(latent):
            self._non_finite = NonFiniteError(round)
            raise self._non_finite
        with self._exchange.naming(self._faster):
            return dist.isend(sent, self._faster, tag=round)

    def _limit(self) -> None:
        """Waits for the oldest latent if as many are on the way as there may be."""
        if len(self._underway) == self._exchange.sender.backlog:
            self._settle()

    def _settle(self) -> None:
        """Waits until the oldest latent on the way has arrived, and lets go of it.

        The first one of a job may find the faster core at the job before, which it decodes.
        """
        sent, posted = self._underway.popleft()
        work = posted()
        with self._exchange.naming(self._faster):
            if work:
                work.wait(*(() if self._met else (self._exchange.patience,)))
        self._met = True
        self._exchange.sender.release(sent)

    def _ask(self) -> None:
        """Lets the next latent come: gloo moves one only once it has been asked for."""
        if self._coming is None and self._receives:
            room = self._exchange.receiver.room(self._shape)
            with self._exchange.naming(self._slower):
                work = dist.irecv(room, self._slower, tag=self._receives[0])
            self._coming = room, work

    def _take(self) -> Tensor:
        self._ask()
        assert self._coming is not None, "a core takes what its plan has it receive"
        if self._read is not None:
            self._exchange.receiver.release(self._read)
        (arrived, work), self._coming = self._coming, None
        with self._exchange.naming(self._slower):
            if work:
                work.wait()
        self._receives.popleft()
        if self._exchange.receiver.is_void(arrived):
            self.ended = True
            self._receives.clear()
        self._read = arrived
        self._ask()
        return arrived
