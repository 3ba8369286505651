"""How a latent goes from one process to the next: through gloo, or through shared memory.

Through shared memory gloo still carries a header. Either way, what gloo carries tells whether the
latent is void, and whoever waits for a latent waits for gloo.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Size, Tensor

from chords_cli.engine.exchange.shared import (
    HEADER,
    SHARED_BACKLOG,
    SharedReader,
    SharedWriter,
)
from chords_cli.engine.exchange.staging import Staging

BACKLOG = 8
"""Latents that a core keeps because they may be on the way. Gloo tells only who waits for a latent
that it has arrived, so a core waits that is further ahead of the faster one than that."""

Post = Callable[[Tensor, Tensor], Any]
"""Sends its first argument through gloo; the second one holds the latent's numbers on the host."""


class Sender(Protocol):
    """The end of the core that sends.

    Attributes:
        backlog: How many latents may be on the way.
    """

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


class Receiver(Protocol):
    """The end of the core that receives."""

    def room(self, shape: Size) -> Tensor:
        """Returns memory that gloo can receive the next message into."""
        ...

    def is_void(self, arrived: Tensor) -> bool:
        """Tells whether a message stands for a latent that will not come."""
        ...

    def read(self, arrived: Tensor, like: Tensor) -> Tensor:
        """Returns the latent that has arrived, on the device of `like`.

        It is read until `release`, and before anything else is received.
        """
        ...

    def release(self, arrived: Tensor) -> None:
        """Takes note that nobody reads the latent any more."""
        ...


class GlooTransport:
    """All of a latent, as float32, and one number more: 1, or 0 where it is void. Both ends."""

    backlog = BACKLOG

    def __init__(self, staging: Staging) -> None:
        self._staging = staging

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

    def release(self, parcel: Tensor) -> None:
        self._staging.release(parcel)


class SharedMemorySender:
    """Headers to a neighbour that maps the memory of `slots`."""

    backlog = SHARED_BACKLOG

    def __init__(self, slots: SharedWriter) -> None:
        self._slots = slots

    def send(self, latent: Tensor, post: Post) -> tuple[Tensor, Callable[[], Any]]:
        room, header = self._slots.write(latent)
        work = post(header, room)
        return header, lambda: work

    def void(self, shape: Size) -> Tensor:
        return self._slots.void()

    def release(self, sent: Tensor) -> None:
        """Needs nothing: slots take turns."""


class SharedMemoryReceiver:
    """Headers from a neighbour whose memory is seen here."""

    def __init__(self, view: SharedReader) -> None:
        self._view = view

    def room(self, shape: Size) -> Tensor:
        return torch.empty(HEADER, dtype=torch.int64)

    def is_void(self, arrived: Tensor) -> bool:
        return not arrived[0]

    def read(self, arrived: Tensor, like: Tensor) -> Tensor:
        return self._view.read(arrived, like.numel()).view(like.shape).to(like.device)

    def release(self, arrived: Tensor) -> None:
        """Needs nothing: whoever asks for the next latent does not read this one any more."""
