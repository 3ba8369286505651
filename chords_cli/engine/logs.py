"""What processes that are started print: into files, of which errors quote the last line.

Those files lie in the one temporary folder that a process has.
"""

import atexit
import fcntl
import functools
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_PREFIX = "chords-run-"

_JUST_MADE = 60.0
"""Seconds in which a folder may have been made and not locked yet."""


def redirect_output(path: str) -> None:
    """Sends this process's stdout and stderr, C libraries' included, to the end of a file."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def last_line(path: Path, *, after: int = 0) -> str:
    """Returns the last line of a log after its first `after` bytes that is not blank; else ""."""
    try:
        lines = path.read_bytes()[after:].decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@functools.cache
def start_log() -> Path:
    """Returns the log of all processes that are no cores; the file ends with this process."""
    return temporary_folder() / "start.log"


@functools.cache
def temporary_folder() -> Path:
    """Returns a folder for logs, and for whatever processes meet by; it ends with this process.

    This process holds a lock on it, so that the next one knows it as left where this one is killed,
    and removes it.
    """
    _remove_left()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _remove_left() -> None:
    """Removes what processes that were killed have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or one that lives
            place = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                if time.time() - os.fstat(place).st_mtime > _JUST_MADE:
                    fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(place)
