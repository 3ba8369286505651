"""Secrets that were typed as arguments, for the whole machine to see in its process list."""

import ctypes
from contextlib import suppress
from pathlib import Path

_AFTER_NAME = 3
_ARGUMENTS = (48, 49)
"""Fields of /proc/self/stat, counted from 1: those after the name, and where arguments lie."""


def hide_argument(secret: str) -> None:
    """Overwrites `secret` in this process's command line; does nothing where that cannot be."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = (int(fields[number - _AFTER_NAME]) for number in _ARGUMENTS)
        if start:
            line, wanted = ctypes.string_at(start, end - start), secret.encode()
            at = line.find(wanted)
            while wanted and at >= 0:
                ctypes.memset(start + at, ord("*"), len(wanted))
                at = line.find(wanted, at + len(wanted))
