"""The C library's allocator, on the host: memory that a round frees is there for the next one.

By itself it gives large pieces back to the system at once. Every round then asks for them again,
and the system clears every page before it hands it out, which takes longer than adding latents.
"""

import ctypes
from contextlib import suppress

import torch
from torch import Tensor

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`: how much free memory is kept, and which pieces never are."""

_KEPT = 256 << 20
"""Bytes: the latents of a round, up to 32 MB each."""

_LARGEST = 32 << 20
"""Bytes; glibc takes no more."""


def keep_freed_memory() -> None:
    """Keeps memory that is freed, up to a limit; does nothing where the library cannot."""
    with suppress(AttributeError, OSError, TypeError):
        adjust = ctypes.CDLL(None).mallopt
        adjust(_TRIM_THRESHOLD, _KEPT)
        adjust(_MMAP_THRESHOLD, _LARGEST)


def memory_to_keep(elements: int, count: int) -> list[Tensor]:
    """Returns what that many latents need in float32, as far as it is kept when it is freed.

    It belongs to the calling thread: that one's later latents lie there, whichever thread writes
    there first and frees it.
    """
    size = elements * torch.float32.itemsize
    fits = min(count, _KEPT * 7 // 8 // size) if 0 < size < _LARGEST else 0
    return [torch.empty(elements) for _ in range(fits)]
