"""Memory that two neighbouring processes of one host map, so that a latent is written once.

Linux only: the memory has no name that could stay behind, and ends with the processes that map it.
A header of five numbers goes through gloo and says where a latent lies. So waits, their limits and
the loss of a neighbour are those of every other line.
"""

import mmap
import os
import secrets
from contextlib import suppress

import torch
from torch import Tensor

HEADER = 5
"""Numbers of a header: 1, or 0 where it is void; the slot; process, descriptor and bytes of it."""

SLOTS = 5
"""Latents of a line that lie in memory: what is being read, what is being written, and between them
as many as may be on the way."""

SHARED_BACKLOG = SLOTS - 2

_TOKEN = 16
"""Bytes that nobody can guess."""

NO_HANDSHAKE = torch.full((HEADER + _TOKEN // 8,), -1)
"""That of a process whose latents do not lie in such memory."""

_WIDTH = 4
"""Bytes of a number."""


class SharedWriter:
    """The sender's end: latents are written into one slot after the other.

    A slot may be written again when the receiver has taken the latent after the one in it: it reads
    one until it asks for the next. Whoever sends sees to that by waiting for its oldest header when
    `SHARED_BACKLOG` of them are on the way.
    """

    def __init__(self) -> None:
        self._descriptor, self._memory = -1, mmap.mmap(-1, mmap.PAGESIZE)
        self._bytes = self._sent = 0
        self._older = -1

    def write(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Writes a latent in float32; returns it and its header."""
        self._fit(latent.numel())
        slot = self._sent % SLOTS
        room = _numbers(self._memory, self._bytes // SLOTS * slot, latent.numel())
        room.view(latent.shape).copy_(latent)
        return room, self._header(slot)

    def reserve(self, elements: int) -> None:
        """Makes memory for latents of that size and has it cleared, if none was written yet."""
        if self._sent > 1:  # more than the handshake
            return
        self._fit(elements)
        torch.frombuffer(self._memory, dtype=torch.uint8).zero_()

    def void(self) -> Tensor:
        """Returns a header that says that no latent will come."""
        header = self._header(self._sent % SLOTS)
        header[0] = 0
        return header

    def handshake(self) -> Tensor:
        """Returns what a receiver needs to find out whether it sees this memory."""
        if not hasattr(os, "memfd_create"):
            return NO_HANDSHAKE
        self._make(mmap.PAGESIZE * SLOTS)
        self._memory[:_TOKEN] = token = secrets.token_bytes(_TOKEN)
        written = torch.frombuffer(bytearray(token), dtype=torch.int64)
        return torch.cat([self._header(0), written])

    def close(self) -> None:
        """Gives the memory back; a receiver keeps it for as long as it reads there."""
        for descriptor in (self._older, self._descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._older = self._descriptor = -1

    def _header(self, slot: int) -> Tensor:
        self._sent += 1
        return torch.tensor([1, slot, os.getpid(), self._descriptor, self._bytes])

    def _fit(self, elements: int) -> None:
        """Makes memory for latents of that size, unless it is there."""
        size = -(-elements * _WIDTH // mmap.PAGESIZE) * mmap.PAGESIZE
        if size * SLOTS > self._bytes:
            self._make(size * SLOTS)

    def _make(self, size: int) -> None:
        """Makes the memory, and keeps the one before: the receiver may not have opened that yet."""
        if self._older >= 0:
            os.close(self._older)
        self._older, self._descriptor = self._descriptor, os.memfd_create("chords")
        os.ftruncate(self._descriptor, size)
        self._memory, self._bytes = mmap.mmap(self._descriptor, size), size


class SharedReader:
    """The receiver's end."""

    def __init__(self) -> None:
        self._of: tuple[int, int, int] | None = None
        self._memory: mmap.mmap | None = None

    def read(self, header: Tensor, elements: int) -> Tensor:
        """Returns the latent that a header tells of, where the sender has written it."""
        _, slot, *of = header.tolist()
        memory = self._open(*of)
        return _numbers(memory, of[2] // SLOTS * slot, elements)

    def finds(self, handshake: Tensor) -> bool:
        """Tells whether the sender's memory is seen here: on another host it is not."""
        header, token = handshake[:HEADER].tolist(), handshake[HEADER:].numpy().tobytes()
        with suppress(OSError, ValueError):
            return self._open(*header[2:])[:_TOKEN] == token
        return False

    def _open(self, process: int, descriptor: int, size: int) -> mmap.mmap:
        if self._memory is None or self._of != (process, descriptor, size):
            opened = os.open(f"/proc/{process}/fd/{descriptor}", os.O_RDWR)
            try:
                self._memory = mmap.mmap(opened, size)
            finally:
                os.close(opened)
            self._of = process, descriptor, size
        return self._memory


def _numbers(memory: mmap.mmap, offset: int, elements: int) -> Tensor:
    return torch.frombuffer(memory, dtype=torch.float32, count=elements, offset=offset)
