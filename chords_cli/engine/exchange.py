"""Latents between neighbouring cores: the only user of torch.distributed.

One path for every device: gloo on the host's loopback, staged through host memory, found through
a file in a private directory. Sends do not wait; a receive waits only for a core that is late.

A job may end before its plan does (`Stop`). So that the next job finds an empty line, every job
closes it: a core first releases a faster neighbour that may wait for a latent by sending a void
one, then tells how many latents it has sent, and the neighbour takes the rest.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from chords_cli.errors import ChordsError

_COUNT_TAG = 1_000_000
"""Above every round's tag."""


class LostNeighbourError(ChordsError):
    """The other end of a line is gone."""


class Exchange:
    """This core's ends of all lines, for the life of a pool."""

    def __init__(self, core: int, cores: int, rendezvous: Path, timeout: float) -> None:
        self.core, self.cores = core, cores
        self._rendezvous, self._timeout = rendezvous, timedelta(seconds=timeout)

    def open(self) -> None:
        """Meets the other cores; returns when all are there."""
        if self.cores == 1:
            return
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        try:
            dist.init_process_group(
                "gloo",
                init_method=f"file://{self._rendezvous}",
                rank=self.core,
                world_size=self.cores,
                timeout=self._timeout,
            )
        except RuntimeError as error:
            raise LostNeighbourError(
                f"not all of {self.cores} cores came within {self._timeout.total_seconds():g} s",
                "raise --timeout if loading takes longer on some device",
            ) from error

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    def share(self, value: Any, cores: int) -> Any:
        """Core 0's `value` on the first `cores` cores; tensors in it must lie on the host."""
        box = [value]
        if self.core > 0:
            with _naming("core 0"):
                dist.recv_object_list(box, src=0)
        for core in range(1, cores) if self.core == 0 else ():
            with _naming(f"core {core}"):
                dist.send_object_list(box, dst=core)
        return box[0]

    def line(self, sends: list[int], receives: list[int]) -> "Line":
        """The lines of one job: the rounds in which this core sends and receives, in order."""
        return Line(self, sends, receives)


class Line:
    """`sampler.Link` between processes, for one job."""

    def __init__(self, exchange: Exchange, sends: list[int], receives: list[int]) -> None:
        self._slower, self._faster = exchange.core - 1, exchange.core + 1
        self._sends, self._receives = sends, receives
        self._sent = self._received = 0
        self._underway: list[tuple[Tensor, dist.Work | None]] = []
        self._void: Tensor | None = None
        self.waited = 0.0

    def expect(self, like: Tensor) -> None:
        """Tells the shape of this job's latents, which travel as float32."""
        if self._void is None:
            self._void = torch.zeros(like.shape, dtype=torch.float32)

    def send(self, round: int, latent: Tensor) -> None:
        assert self._sends[self._sent] == round, "a core sends in the order of its plan"
        self._underway = [(kept, work) for kept, work in self._underway if not _is_done(work)]
        self._post(latent.detach().to("cpu", torch.float32).contiguous())

    def receive(self, round: int, like: Tensor) -> Tensor:
        assert self._receives[self._received] == round, "a core receives in the order of its plan"
        began = time.monotonic()
        arrived = self._take(torch.empty(like.shape, dtype=torch.float32))
        self.waited += time.monotonic() - began
        return arrived.to(like.device)

    def close(self) -> None:
        """Leaves nothing on the way, whether the plan was followed to its end or not."""
        if self._sends:
            if self._sent < len(self._sends):
                assert self._void is not None, "a core that is stopped has begun"
                self._post(self._void)
            count = torch.tensor([self._sent])
            self._underway.append((count, dist.isend(count, self._faster, tag=_COUNT_TAG)))
        if self._receives:
            self._drain()
        with _naming(f"core {self._faster}"):
            for _, work in self._underway:
                if work:
                    work.wait()

    def _drain(self) -> None:
        count = torch.zeros(1, dtype=torch.int64)
        with _naming(f"core {self._slower}"):
            dist.recv(count, self._slower, tag=_COUNT_TAG)
        while self._received < int(count):
            assert self._void is not None
            self._take(torch.empty_like(self._void))

    def _post(self, latent: Tensor) -> None:
        with _naming(f"core {self._faster}"):
            work = dist.isend(latent, self._faster, tag=self._sends[self._sent])
        self._underway.append((latent, work))
        self._sent += 1

    def _take(self, buffer: Tensor) -> Tensor:
        with _naming(f"core {self._slower}"):
            dist.recv(buffer, self._slower, tag=self._receives[self._received])
        self._received += 1
        return buffer


def _is_done(work: dist.Work | None) -> bool:
    return work is None or work.is_completed()


@contextmanager
def _naming(neighbour: str) -> Iterator[None]:
    """Turns torch.distributed's errors into one that names the neighbour."""
    try:
        yield
    except RuntimeError as error:
        raise LostNeighbourError(
            f"no latent came through to or from {neighbour}: {_first_line(error)}",
            "raise --timeout if a core is slow rather than gone",
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
