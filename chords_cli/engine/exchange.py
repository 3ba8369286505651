"""Latents between neighbouring cores: the only user of torch.distributed.

One path for every device: gloo on the host's loopback, staged through host memory
(`engine.staging`), found through a file in a private directory. Sends do not wait; a receive waits
only for a core that is late.

A job may end before its plan does (`Cancel`). So that the next job finds an empty line, every job
closes it: a core that has not sent all of its latents sends a void one in the place of the next,
which frees a neighbour that waits for it, and a core takes what it has not received, up to that.
Lines are closed before outputs are decoded: no neighbour waits for a decoder.
"""

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from chords_cli.engine.messages import LostNeighbourError
from chords_cli.engine.network import INTERFACE, LOOPBACK
from chords_cli.engine.staging import HostStaging, Staging
from chords_cli.errors import ChordsError

_BACKLOG = 8
"""Latents that a core keeps because they may be on the way. Gloo tells only who waits for a latent
that it has arrived, so a core waits that is further ahead of the faster one than that."""


class Exchange:
    """This core's ends of all lines, for the life of a pool.

    Args:
        rank: The core.
        cores: How many there are.
        rendezvous: The file by which they find one another.
        timeout: Seconds to wait for another core.
        staging: Of the core's device.
        waiting: Entered while this core may wait for another.
    """

    def __init__(
        self,
        rank: int,
        cores: int,
        rendezvous: Path,
        timeout: float,
        staging: Staging | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.rank, self.cores = rank, cores
        self.staging = staging or HostStaging()
        self._rendezvous, self._timeout = rendezvous, timedelta(seconds=timeout)
        self._waiting = waiting

    def open(self) -> None:
        """Meets the other cores; returns when all have come."""
        if self.cores == 1:
            return
        os.environ.setdefault(INTERFACE, LOOPBACK)
        try:
            with self._waiting():
                dist.init_process_group(
                    "gloo",
                    init_method=f"file://{self._rendezvous}",
                    rank=self.rank,
                    world_size=self.cores,
                    timeout=self._timeout,
                )
        except RuntimeError as error:
            if _timed_out(error):
                seconds = self._timeout.total_seconds()
                raise LostNeighbourError(
                    f"not all of {self.cores} cores came within {seconds:g} s",
                    "raise {timeout} if loading takes longer on some device",
                    {"timeout": None},
                ) from error
            raise LostNeighbourError(
                f"the cores cannot meet on {os.environ[INTERFACE]}: {_first_line(error)}",
                f"unset {INTERFACE}, or set it to the host's loopback interface",
            ) from error

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    def share(self, value: Any, cores: int) -> Any:
        """Returns core 0's `value` on the first `cores` cores; its tensors must lie on the host."""
        box = [value]
        if self.rank > 0:
            with self.naming(0):
                dist.recv_object_list(box, src=0)
        for core in range(1, cores) if self.rank == 0 else ():
            with self.naming(core):
                dist.send_object_list(box, dst=core)
        return box[0]

    @contextmanager
    def naming(self, core: int) -> Iterator[None]:
        """Turns torch.distributed's errors into one that names the core at the other end.

        Raises:
            LostNeighbourError: It is gone.
            ChordsError: It is alive, but sent nothing for longer than the timeout.
        """
        try:
            with self._waiting():
                yield
        except RuntimeError as error:
            if _timed_out(error):
                raise ChordsError(
                    f"waited {self._timeout.total_seconds():g} s for core {core} in vain",
                    "raise {timeout} if that core is slow",
                    {"timeout": None},
                ) from error
            raise LostNeighbourError(
                f"the line to core {core} broke: {_first_line(error)}",
                "run it again with CHORDS_DEBUG=1 to see more",
            ) from error

    def line(self, sends: list[int], receives: list[int]) -> "Line":
        """Returns the lines of one job, given the rounds in which this core sends and receives."""
        return Line(self, sends, receives)


class Line:
    """`sampler.Link` between processes, for one job.

    A latent travels as float32 with one number more: 1, or 0 where it is void.

    Attributes:
        ended: Whether the slower core has stopped before it had sent all latents of its plan.
        waited: Seconds spent waiting for latents.
    """

    def __init__(self, exchange: Exchange, sends: list[int], receives: list[int]) -> None:
        self._exchange = exchange
        self._slower, self._faster = exchange.rank - 1, exchange.rank + 1
        self._sends, self._receives = deque(sends), deque(receives)
        self._underway: deque[tuple[Tensor, Callable[[], dist.Work | None]]] = deque()
        self._coming: tuple[Tensor, dist.Work | None] | None = None
        self._shape = torch.Size()
        self.ended = False
        self.waited = 0.0

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
        if len(self._underway) == _BACKLOG:
            self._settle()
        tag = self._sends.popleft()

        def post() -> dist.Work | None:
            with self._exchange.naming(self._faster):
                return dist.isend(parcel, self._faster, tag=tag)

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


def _timed_out(error: BaseException) -> bool:
    """Tells whether gloo or the store timed out; their errors have no class of their own."""
    return any(words in str(error).lower() for words in ("timed out", "timeout"))


def _first_line(error: BaseException) -> str:
    """Returns an error's first line, without the place in torch's source that it begins with."""
    lines = str(error).strip().splitlines() or [repr(error)]
    return re.sub(r"^\[[^]]*\] *", "", lines[0])[:200]
