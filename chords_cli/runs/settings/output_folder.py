"""Where a run puts its files, and whether it may, found out before anything slow starts."""

import os
import shlex
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from chords_cli.errors import UsageError


def default_output(model: str) -> Path:
    """A folder `outputs/<time>-<model>` that does not exist yet."""
    base = f"{time.strftime('%Y%m%d-%H%M%S')}-{model}"
    names = (base if n == 1 else f"{base}-{n}" for n in count(1))
    return next(path for name in names if not (path := Path("outputs", name)).exists())


def check_writable(folder: Path) -> None:
    """Accepts a folder that is there or can be made, and in which files can be made.

    Raises:
        UsageError: It is not so.
    """
    try:
        _check_writable(folder)
    except OSError as error:
        name = str(folder)
        shown = name if len(name) <= 60 else f"{name[:57]}..."
        raise UsageError(
            f"output {shown} cannot be used: {error.strerror}",
            "choose another {output}",
            {"output": None},
        ) from error


def check_free(
    folder: Path, names: Sequence[str], *, resumable: bool = False, why: str = ""
) -> None:
    """Accepts names that no file in `folder` has yet.

    Args:
        folder: Need not be there.
        names: Of the files to be made.
        resumable: Whether the command can keep what is done, and has an option for it.
        why: What else to say of the files that are there.

    Raises:
        UsageError: A file is there; the hint names the ways out.
    """
    there = [name for name in names if (folder / name).exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        resume = " add {resume} to keep what is done," if resumable else ""
        raise UsageError(
            f"{folder / there[0]}{more} exist{'' if more else 's'} already"
            + (f", {why}" if why else ""),
            f"choose another {{output}},{resume} or {{overwrite}} to replace it",
            {"output": None, "resume": True, "overwrite": True},
        )


def _check_writable(folder: Path) -> None:
    inside = next(path for path in (folder, *folder.parents) if path.exists())
    if not inside.is_dir():
        what = "is a file" if inside == folder else f"cannot be made: {inside} is a file"
        raise UsageError(f"output {folder} {what}", "name a folder with {output}", {"output": None})
    if inside not in (folder, folder.parent) and folder.parent != Path("outputs"):
        raise UsageError(
            f"output {folder} cannot be made: {folder.parent} does not exist",
            f"make it first: mkdir -p {shlex.quote(str(folder.parent))}",
        )
    if not os.access(inside, os.W_OK | os.X_OK):
        raise UsageError(
            f"output {folder} cannot be written: {inside} is read-only for you",
            "choose another {output}",
            {"output": None},
        )
    with tempfile.TemporaryFile(dir=inside):
        pass  # some file systems only say no to the file itself
