"""Decides where a run writes its files, and whether it may, before anything slow starts."""

import os
import shlex
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from chords_cli.errors import UsageError, verbatim
from chords_cli.media.files import check_alone


def default_output(model: str) -> Path:
    """Returns a folder `outputs/<time>-<model>` that does not exist yet."""
    base = f"{time.strftime('%Y%m%d-%H%M%S')}-{model}"
    names = (base if n == 1 else f"{base}-{n}" for n in count(1))
    return next(path for name in names if not (path := Path("outputs", name)).exists())


def check_writable(folder: Path) -> None:
    """Checks that a folder exists or can be made, and that files can be written to it.

    Raises:
        UsageError: The folder cannot be used.
    """
    try:
        _check_writable(folder)
    except OSError as error:
        name = str(folder)
        shown = verbatim(name if len(name) <= 60 else f"{name[:57]}...")
        raise UsageError(
            f"output {shown} cannot be used: {error.strerror}",
            "choose another {output}",
            {"output": None},
        ) from error


def check_free(
    folder: Path, names: Sequence[str], *, resumable: bool = False, why: str = ""
) -> None:
    """Checks that no file in `folder` has one of these names yet.

    Args:
        folder: The folder, which need not exist.
        names: The names of the files to be made.
        resumable: Whether the command has an option to keep what is done.
        why: What else to say about the files that exist.

    Raises:
        UsageError: A file exists, or another run makes them now; the hint says what to do.
    """
    existing = [name for name in names if (folder / name).exists()]
    if existing:
        check_alone(folder)  # else the hint would have another run's files replaced
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        resume = " add {resume} to keep what is done," if resumable else ""
        raise UsageError(
            f"{verbatim(folder / existing[0])}{more} exist{'' if more else 's'} already"
            + (f", {why}" if why else ""),
            f"choose another {{output}},{resume} or {{overwrite}} to replace it",
            {"output": None, "resume": True, "overwrite": True},
        )


def _check_writable(folder: Path) -> None:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        what = (
            "is a file" if nearest == folder else f"cannot be made: {verbatim(nearest)} is a file"
        )
        raise UsageError(
            f"output {verbatim(folder)} {what}", "name a folder with {output}", {"output": None}
        )
    if nearest not in (folder, folder.parent) and folder.parent != Path("outputs"):
        raise UsageError(
            f"output {verbatim(folder)} cannot be made: {verbatim(folder.parent)} does not exist",
            f"make it first: mkdir -p {shlex.quote(str(folder.parent))}",
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(
            f"output {verbatim(folder)} cannot be written: "
            f"{verbatim(nearest)} is read-only for you",
            "choose another {output}",
            {"output": None},
        )
    with tempfile.TemporaryFile(dir=nearest):
        pass  # some file systems refuse only when a file is made
