"""What the members of a core send one another: answers to the lead's branch, moves and the end.

Only the lead may decide that the core stops, and its helpers hear it with the latent: they would
otherwise wait for the next one. Nothing is left on the way, because both take the same steps.
"""

from collections import deque

import torch
import torch.distributed as dist
from torch import Tensor

from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.exchange.transport import BACKLOG

_ANSWER, _MOVE = 1_000_001, 1_000_002
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class Group:
    """This process's ends of the lines inside its core, for one job.

    Args:
        exchange: Where the processes have met.
        contexts: How many members compute an answer together, each of which has all of it. An
            answer goes from each of them to the one with the same part on the other branch.
    """

    def __init__(self, exchange: Exchange, contexts: int = 1) -> None:
        self._exchange, self._contexts = exchange, contexts
        self._lead = exchange.rank - exchange.rank % exchange.members
        self._helpers = range(self._lead + 1, self._lead + exchange.members)
        self._underway: deque[tuple[int, Tensor, dist.Work | None]] = deque()

    def send(self, answer: Tensor) -> None:
        """Sends an answer of the second branch to the first, bit for bit."""
        host = answer.detach().to("cpu").contiguous()
        self._post(self._exchange.rank - self._contexts, host.flatten().view(torch.uint8), _ANSWER)

    def receive(self, like: Tensor) -> Tensor:
        """Returns, on the first branch, the second's answer, which has the shape of its own."""
        other = self._exchange.rank + self._contexts
        parcel = torch.empty(like.numel() * like.element_size(), dtype=torch.uint8)
        with self._exchange.naming(other):
            dist.recv(parcel, other, tag=_ANSWER)
        return torch.empty_like(like).copy_(parcel.view(like.dtype).view(like.shape))

    def tell(self, latent: Tensor, *, stopped: bool) -> None:
        """Tells all helpers where the core's latent stands now, and whether the core stops."""
        parcel = torch.empty(latent.numel() + 2)
        parcel[:-2].view(latent.shape).copy_(latent)
        parcel[-2], parcel[-1] = _DTYPES.index(latent.dtype), stopped
        for helper in self._helpers:
            self._post(helper, parcel, _MOVE)

    def follow(self, like: Tensor) -> tuple[Tensor, bool]:
        """Returns, on a helper, what the lead tells next."""
        parcel = torch.empty(like.numel() + 2)
        with self._exchange.naming(self._lead):
            dist.recv(parcel, self._lead, tag=_MOVE)
        moved = torch.empty_like(like, dtype=_DTYPES[int(parcel[-2])])
        return moved.copy_(parcel[:-2].view(like.shape)), bool(parcel[-1])

    def close(self) -> None:
        """Waits until everything that was sent has arrived."""
        while self._underway:
            self._settle()

    def _post(self, rank: int, parcel: Tensor, tag: int) -> None:
        if len(self._underway) == BACKLOG:
            self._settle()
        with self._exchange.naming(rank):
            self._underway.append((rank, parcel, dist.isend(parcel, rank, tag=tag)))

    def _settle(self) -> None:
        rank, _, work = self._underway.popleft()
        with self._exchange.naming(rank):
            if work:
                work.wait()
