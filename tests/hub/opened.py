"""Which files of a folder are opened, by any process and library: the kernel tells."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_OPEN, _IN_NONBLOCK = 0x20, 0o4000
_HEAD = struct.Struct("iIII")


@contextmanager
def opened_in(folder: Path) -> Iterator[set[str]]:
    """A set that holds, after the block, the names of the files of `folder` that were opened."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(_IN_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(folder), _IN_OPEN) >= 0, ctypes.get_errno()
    names: set[str] = set()
    try:
        yield names
        names |= set(_read(watch))
    finally:
        os.close(watch)


def _read(watch: int) -> Iterator[str]:
    while True:
        try:
            events = os.read(watch, 1 << 20)
        except BlockingIOError:
            return
        while events:
            *_, length = _HEAD.unpack_from(events)
            name = events[_HEAD.size : _HEAD.size + length].rstrip(b"\0")
            events = events[_HEAD.size + length :]
            if name:
                yield name.decode()
