"""Latents between neighbouring cores. Sends do not wait; a receive waits only for a late core.

A job may end before its plan does (`Cancel`). So that the next job finds an empty line, every job
closes it: a core that has not sent all of its latents sends a void one in the place of the next,
which frees a neighbour that waits for it, and a core takes what it has not received, up to that.
Lines are closed before outputs are decoded: no neighbour waits for a decoder.
"""

import time
from collections import deque
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from chords_cli.engine.exchange.meeting import Exchange

BACKLOG = 8
"""Latents that a core keeps because they may be on the way. Gloo tells only who waits for a latent
that it has arrived, so a core waits that is further ahead of the faster one than that."""


class Line:
    """`sampler.Link` between processes, for one job.

    A latent travels as float32 with one number more: 1, or 0 where it is void.

    Args:
        exchange: Where the cores have met.
        sends: The rounds in which this core sends, in order.
        receives: The rounds in which it receives, in order.

    Attributes:
        ended: Whether the slower core has stopped before it had sent all latents of its plan.
        waited: Seconds spent waiting for latents.
        spoilt: The round in which this core sent a latent that is not finite, if it did.
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
        self._shape = torch.Size()
        self.ended = False
        self.waited = 0.0
        self.spoilt: int | None = None

    def expect(self, like: Tensor) -> None:
        """Takes the shape of this job's latents, so that the first one can come."""
        self._shape = like.shape
        self._ask()

    def send(self, round: int, latent: Tensor) -> None:
        assert self._sends[0] == round, "a core sends in the order of its plan"
        parcel = self._exchange.staging.parcel(latent.numel() + 1)
        parcel[-1] = 1
        self._post(parcel, latent)

    def receive(self, round: int, like: Tensor) -> Tensor:
        """Returns the latent of `round`; zeros where the slower core has stopped (see `ended`)."""
        began = time.monotonic()
        if self.ended:
            return torch.zeros_like(like)
        assert self._receives[0] == round, "a core receives in the order of its plan"
        arrived = self._take()
        self.waited += time.monotonic() - began
        return self._exchange.staging.receive(arrived, like)

    def close(self) -> None:
        """Leaves nothing on the way, whether the plan was followed to its end or not."""
        if self._sends:
            self._post(torch.zeros(self._shape.numel() + 1))
            self._sends.clear()
        while self._receives:
            self._take()
        while self._underway:
            self._settle()

    def _post(self, parcel: Tensor, latent: Tensor | None = None) -> None:
        """Sends `parcel`, in which `latent` travels; None, where it is void."""
        if len(self._underway) == BACKLOG:
            self._settle()
        tag = self._sends.popleft()

        def post() -> dist.Work | None:
            with self._exchange.naming(self._faster):
                work = dist.isend(parcel, self._faster, tag=tag)
            if self.spoilt is None and not parcel.isfinite().all():  # nobody waits for that
                self.spoilt = tag
            return work

        if latent is None:
            work = post()
            self._underway.append((parcel, lambda: work))
        else:
            room = parcel[:-1].view(latent.shape)
            self._underway.append((parcel, self._exchange.staging.send(latent, room, post)))

    def _settle(self) -> None:
        """Waits until the oldest latent on the way has arrived, and lets go of it."""
        _, posted = self._underway.popleft()
        work = posted()
        with self._exchange.naming(self._faster):
            if work:
                work.wait()

    def _ask(self) -> None:
        """Lets the next latent come: gloo moves one only once it has been asked for."""
        if self._coming is None and self._receives:
            parcel = self._exchange.staging.parcel(self._shape.numel() + 1)
            with self._exchange.naming(self._slower):
                work = dist.irecv(parcel, self._slower, tag=self._receives[0])
            self._coming = parcel, work

    def _take(self) -> Tensor:
        self._ask()
        assert self._coming is not None, "a core takes what its plan has it receive"
        (parcel, work), self._coming = self._coming, None
        with self._exchange.naming(self._slower):
            if work:
                work.wait()
        self._receives.popleft()
        if not parcel[-1]:
            self.ended = True
            self._receives.clear()
        self._ask()
        return parcel[:-1].view(self._shape)
