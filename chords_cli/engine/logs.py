"""What processes that are started print: into files, of which errors quote the last line.

Those files lie in the one temporary folder that a process has. Nobody else may read or write there,
nor where compiled code is kept: torch unpickles and runs what it finds.
"""

import fcntl
import functools
import os
import platform
import shutil
import tempfile
import time
from contextlib import suppress
from multiprocessing.util import Finalize
from pathlib import Path

import platformdirs

from chords_cli.errors import ChordsError

_COMPILED = "TORCHINDUCTOR_CACHE_DIR"
"""Torch's variable for the folder of compiled code; without it, anybody can make that in /tmp."""

_PREFIX = "chords-run-"

_HOST = "host"
"""The file that names the host of the process that a folder belongs to."""

_JUST_MADE = 60.0
"""Seconds in which a folder may have been made and not locked yet."""


def redirect_output(path: str) -> None:
    """Sends this process's stdout and stderr, C libraries' included, to the end of a file."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def last_line(path: Path, *, after: int = 0) -> str:
    """Returns the last line of a log after its first `after` bytes, or "".

    It is not blank, and not the hint that Python writes below an error of ours.
    """
    try:
        lines = path.read_bytes()[after:].decode(errors="replace").split("\n")
    except OSError:
        return ""
    told = ["", *(line.strip() for line in lines if line.strip())]
    ends_with_note = told[-1].startswith("hint: ") and told[-2].startswith(ChordsError.__module__)
    return told[-2 if ends_with_note else -1]


@functools.cache
def start_log() -> Path:
    """Returns the log of all processes that are no cores; the file ends with this process."""
    return temporary_folder() / "start.log"


@functools.cache
def temporary_folder(within: str | None = None) -> Path:
    """Returns a folder for logs, and for whatever processes meet by; it ends with this process.

    This process holds a lock on it, so that the next one knows it as left where this one is killed,
    and removes it. Not all network disks have locks, and some have them for each host alone, so a
    file in it names this host, too.

    Args:
        within: The folder that it is made in; by default the one that TMPDIR names.
    """
    base = within or tempfile.gettempdir()
    _remove_left(base)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    with suppress(OSError):  # no locks there
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    (folder / _HOST).write_text(platform.node())
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-1)
    return folder


def is_ours(folder: str) -> bool:
    """Tells whether a folder is a temporary one of this process or another of this package."""
    return Path(folder).name.startswith(_PREFIX)


def compiled_place() -> dict[str, str]:
    """Returns the variable that keeps compiled code where nobody else can have put any.

    That is among the user's caches, or in the temporary folder where there are none.
    """
    if os.environ.get(_COMPILED):
        return {}
    with suppress(OSError, RuntimeError):  # a home that is missing or may not be read
        folder = Path(platformdirs.user_cache_dir("chords")).absolute() / "compiled"
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if nearest.stat().st_uid == os.getuid() and os.access(nearest, os.W_OK | os.X_OK):
            return {_COMPILED: str(folder)}
    return {_COMPILED: str(temporary_folder() / "compiled")}


def _remove_left(base: str) -> None:
    """Removes what processes of this host that were killed have left."""
    for folder in Path(base).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, one that lives, or no locks there
            place = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                found = os.fstat(place)
                old = time.time() - found.st_mtime > _JUST_MADE and found.st_uid == os.getuid()
                if old and (folder / _HOST).read_text() == platform.node():
                    fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(place)


os.register_at_fork(after_in_child=start_log.cache_clear)
os.register_at_fork(after_in_child=temporary_folder.cache_clear)
