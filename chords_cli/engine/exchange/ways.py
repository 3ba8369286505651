"""How a latent goes from one process to the next: all of it through gloo, or a header of it.

Either way, what gloo carries tells whether the latent is void, and who waits for it waits for gloo.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Size, Tensor

from chords_cli.engine.exchange.shared import BACKLOG as SHARED_BACKLOG
from chords_cli.engine.exchange.shared import HEADER, Slots, View
from chords_cli.engine.exchange.staging import Staging

BACKLOG = 8
"""Latents that a core keeps because they may be on the way. Gloo tells only who waits for a latent
that it has arrived, so a core waits that is further ahead of the faster one than that."""

Post = Callable[[Tensor, Tensor], Any]
"""Sends what its first argument holds; the second one holds the numbers of the latent."""


class Way(Protocol):
    """A way to the faster neighbour."""

    backlog: int

    def send(self, latent: Tensor, post: Post) -> tuple[Tensor, Callable[[], Any]]:
        """Posts a latent that nobody changes any more.

        Returns what is on the way, and what waits for `post` and gives its result.
        """
        ...

    def void(self, shape: Size) -> Tensor:
        """Returns what is posted in the place of a latent that will not come."""
        ...

    def release(self, sent: Tensor) -> None:
        """Takes note that something has arrived."""
        ...


class Entrance(Protocol):
    """The other end of a way."""

    def room(self, shape: Size) -> Tensor:
        """Returns what the next thing on the way can be received into."""
        ...

    def is_void(self, arrived: Tensor) -> bool:
        """Tells whether it stands for a latent that will not come."""
        ...

    def read(self, arrived: Tensor, like: Tensor) -> Tensor:
        """Returns the latent that has arrived, on the device of `like`.

        It is read until `release`, and before anything else is received.
        """
        ...

    def release(self, arrived: Tensor) -> None:
        """Takes note that nobody reads the latent any more."""
        ...


class Parcels:
    """All of a latent, as float32, and one number more: 1, or 0 where it is void. Both ends."""

    backlog = BACKLOG

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self.release = staging.release

    def send(self, latent: Tensor, post: Post) -> tuple[Tensor, Callable[[], Any]]:
        parcel = self._staging.parcel(latent.numel() + 1)
        parcel[-1] = 1
        room = parcel[:-1].view(latent.shape)
        return parcel, self._staging.send(latent, room, lambda: post(parcel, room))

    def void(self, shape: Size) -> Tensor:
        return torch.zeros(shape.numel() + 1)

    def room(self, shape: Size) -> Tensor:
        return self._staging.parcel(shape.numel() + 1)

    def is_void(self, arrived: Tensor) -> bool:
        return not arrived[-1]

    def read(self, arrived: Tensor, like: Tensor) -> Tensor:
        return self._staging.receive(arrived[:-1].view(like.shape), like)


class SharedWay:
    """Headers to a neighbour that maps the memory of `slots`."""

    backlog = SHARED_BACKLOG

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def send(self, latent: Tensor, post: Post) -> tuple[Tensor, Callable[[], Any]]:
        room, header = self._slots.write(latent)
        work = post(header, room)
        return header, lambda: work

    def void(self, shape: Size) -> Tensor:
        return self._slots.void()

    def release(self, sent: Tensor) -> None:
        """Needs nothing: slots take turns."""


class SharedEntrance:
    """Headers from a neighbour whose memory is seen here."""

    def __init__(self, view: View) -> None:
        self._view = view

    def room(self, shape: Size) -> Tensor:
        return torch.empty(HEADER, dtype=torch.int64)

    def is_void(self, arrived: Tensor) -> bool:
        return not arrived[0]

    def read(self, arrived: Tensor, like: Tensor) -> Tensor:
        return self._view.read(arrived, like.numel()).view(like.shape).to(like.device)

    def release(self, arrived: Tensor) -> None:
        """Needs nothing: whoever asks for the next latent does not read this one any more."""
