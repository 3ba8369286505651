"""Reads the bytes of a file that a user names, or says why it cannot be read.

Python also hands over pictures that are no files; they are encoded as if they were.
"""

import io
import os
import re
import shlex
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.errors import UsageError, verbatim
from chords_cli.pipelines.rules import did_you_mean

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 10**9
"""How large a file may be: it travels to every core."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is no file, with the name and the bytes that its file would have."""

    name: str
    data: bytes = field(repr=False)


File = str | Picture
"""How a user names what a run starts from."""


def encode(picture: "Image", name: str) -> Picture:
    """Encodes a picture of Pillow without loss; what its camera says of its position is kept.

    Raises:
        UsageError: It has no pixels, or no file can hold it.
    """
    from PIL import ImageOps

    if 0 in picture.size:
        width, height = picture.size
        raise UsageError(
            f"{{{name}:name}} is a picture of {width} x {height} pixels",
            "give one that has pixels",
            {name: None},
        )
    for format in ("PNG", "TIFF"):  # PNG knows no CMYK and no fractions
        file = io.BytesIO()
        try:
            ImageOps.exif_transpose(picture).save(file, format)
        except OSError:
            continue
        return Picture(f"{name}.{format.lower()}", file.getvalue())
    raise UsageError(
        f"{{{name}:name}} is a picture of mode {picture.mode}, which no file can hold",
        "convert it: picture.convert('RGB')",
        {name: None},
    )


def read_file(option: str, name: File) -> tuple[Path, bytes]:
    """Returns the path of a file and its bytes.

    Args:
        option: The option that names it.
        name: As the user wrote it; `~` is the home folder.

    Raises:
        UsageError: It is missing, no file, too large, not allowed to be read, or written to.
    """
    if isinstance(name, Picture):
        return Path(name.name), name.data
    if not name.strip():
        raise UsageError(f"{{{option}:name}} is empty", "name a file", {option: None})
    try:
        problem, hint, path, data = _read(name)
    except FileNotFoundError:
        beside = Path(name).expanduser().parent.glob("*")
        near = did_you_mean(Path(name).name, [one.name for one in beside], cutoff=0.75)
        problem, hint = "does not exist", near.strip() or "check its path"
    except UnicodeEncodeError:
        problem, hint = "has a name that is not UTF-8", "rename it"
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem, hint = f"cannot be read: {reason}", "check its path, and who may read it"
    if problem:
        shown = verbatim(name.encode(errors="replace").decode())
        raise UsageError(f"{{{option}:name}} {shown} {problem}", hint, {option: None})
    return path, data


def _read(name: str) -> tuple[str, str, Path, bytes]:
    """Returns what is wrong with a file and what to do about it, its path and its bytes."""
    if _ADDRESS.match(name):
        download = f"download it and name the file: curl -LO {shlex.quote(name)}"
        return "is an address, and nothing is fetched", verbatim(download), Path(), b""
    path = Path(name).expanduser()
    path.name.encode()
    before = path.stat()
    problem, hint = _refuse(before)
    data = b"" if problem else path.read_bytes()
    after = path.stat()
    if not problem and (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        problem, hint = "changed while it was read", "wait until it is written"
    return problem, hint, path, data


def _refuse(found: os.stat_result) -> tuple[str, str]:
    """Returns why what was found is not read, and what to do about it; empty if it is."""
    if stat.S_ISDIR(found.st_mode):
        return "is a folder", "name a file in it"
    if not stat.S_ISREG(found.st_mode):
        return "is a pipe or a device, not a file", "save it as a file"
    if found.st_size > MOST_BYTES:
        size, most = (f"{count / 1e9:.2g} GB" for count in (found.st_size, MOST_BYTES))
        return f"is {size} large, but at most {most} are read", "cut it, or make it smaller"
    return "", ""
