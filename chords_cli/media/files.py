"""Writes every file completely or not at all, and makes folders that stay only if they are used.

Bytes go to a hidden file beside the target, are flushed to the disk, and then get their name in one
step.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chords_cli.errors import ChordsError, UsageError, verbatim, where_to_write

_ELSEWHERE = ("choose another {output}", {"output": None})
"""The hint for a folder that cannot hold the results, with the option that it suggests."""


def write_file(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Writes `data` to `path`, complete or not at all.

    Args:
        path: Where to write it; the folder must exist.
        data: The content of the file.
        replace: Whether an existing file may be replaced.

    Raises:
        ChordsError: The file exists, or it cannot be written.
    """
    beside = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}.part")
    try:
        _write_through(beside, data)
        beside.replace(path) if replace else _take_name(beside, path)
    except FileExistsError as error:
        raise ChordsError(
            f"{verbatim(path)} exists already", "add {overwrite} to replace it", {"overwrite": True}
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        hint, suggests = where_to_write(error)
        raise ChordsError(f"cannot write {verbatim(path)}: {reason}", hint, suggests) from error
    finally:
        with suppress(OSError):  # a folder that cannot be written is said already
            beside.unlink()


def append_to_file(path: Path, data: bytes) -> None:
    """Appends `data` to a file in a folder of results, which others may write to.

    Raises:
        OSError: It cannot be written, or its name is a link to something else.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o666), "ab") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OSError(errno.EEXIST, "it is a link, or no file")
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Makes `folder` if it is missing, and removes it afterwards if it is still empty.

    No other run can write to it meanwhile.

    Raises:
        UsageError: The folder cannot be made, or another run writes to it.
    """
    made: list[Path] = []
    try:
        _make(folder, made)
        with _alone_in(folder):
            _remove_parts(folder)
            yield
    finally:
        with suppress(OSError):
            for part in reversed(made):
                part.rmdir()


def check_alone(folder: Path) -> None:
    """Refuses a folder that another run writes to.

    Raises:
        UsageError: One does.
    """
    with _alone_in(folder):
        pass


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Holds a lock on the folder itself: nothing is left of it, however this process ends."""
    place = None
    try:
        try:
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another run writes to {verbatim(folder)}",
                "wait until it has ended, or choose another {output}",
                {"output": None},
            ) from error
        except OSError:  # no folder, or none that can be locked
            pass
        yield
    finally:
        if place is not None:
            os.close(place)


def _remove_parts(folder: Path) -> None:
    """Removes files that a run was killed in the middle of."""
    for path in folder.glob(".*.part"):
        if re.fullmatch(r"\..*\.[0-9a-f]{8}\.part", path.name):
            with suppress(OSError):
                path.unlink()


def _make(folder: Path, made: list[Path]) -> None:
    """Makes `folder` and its parent, and adds those that were missing to `made`."""
    for part in (folder.parent, folder):
        if part.exists():
            continue
        try:
            part.mkdir()
        except OSError as error:
            raise UsageError(
                f"output {part} cannot be made: {error.strerror}", *_ELSEWHERE
            ) from error
        made.append(part)


def _write_through(path: Path, data: bytes) -> None:
    """Writes a new file that survives a crash of the machine."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _take_name(beside: Path, path: Path) -> None:
    """Gives the file its name in one step that fails if the name is taken.

    On file systems without hard links, it takes two steps.
    """
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(path) from None
        beside.rename(path)
