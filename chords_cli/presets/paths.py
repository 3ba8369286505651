"""Paths as users write them, and files of others, of which no more is read than they may have.

Nothing here knows what a file holds; it belongs to the lowest layer that reads files.
"""

import os
import stat
from os.path import expanduser
from pathlib import Path
from typing import BinaryIO


class TooLargeError(ValueError):
    """A file has more bytes than are read of it."""


def from_user(name: str | Path) -> Path:
    """Returns a path that a user wrote; `~` is the home folder, and stays where nobody has one."""
    return Path(expanduser(name))  # noqa: PTH111 - Path's own raises for users that do not exist


def read_at_most(path: Path, most: int, *, streams: bool = False) -> bytes:
    """Reads a whole file.

    Args:
        path: The file.
        most: How many bytes it may have.
        streams: Whether it may be a pipe or a device, which have no size, and perhaps no end.

    Raises:
        TooLargeError: It has more.
        ValueError: It is a pipe or a device, and may not be.
        OSError: It cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | (0 if streams else os.O_NONBLOCK)), "rb") as file:
        found = os.fstat(file.fileno())
        if not streams and not stat.S_ISREG(found.st_mode):
            raise ValueError("it is a pipe or a device, not a file")
        if found.st_size > most:
            raise _too_large(most)
        return take_at_most(file, most)


def take_at_most(file: BinaryIO, most: int) -> bytes:
    """Reads an open file to its end.

    Raises:
        TooLargeError: That comes after more than so many bytes.
    """
    data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(most)
    return data


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"it has more than {most:,} bytes")
