"""Tells whether a file of chords is there to its end: a copy that failed leaves its beginning."""

import json
from pathlib import Path

from chords_cli.media.latents import read_latent

_ENDS = {".png": b"IEND\xaeB`\x82", ".gif": b"\x3b"}
"""The last bytes of every file of a format, by its suffix."""


def is_whole(path: Path) -> bool:
    """Tells whether a picture, GIF, video, recipe or latent is there to its end.

    Pixels are not decoded, and of files in other formats nothing is known but that they are there.
    """
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        match path.suffix:
            case ".mp4":
                return _ends_with_a_box(path)
            case ".json":
                return isinstance(json.loads(path.read_bytes()), dict)
            case ".safetensors":
                return bool(read_latent(path))
            case suffix:
                end = _ENDS.get(suffix, b"")
                with path.open("rb") as file:
                    file.seek(path.stat().st_size - len(end))
                    return file.read() == end
    except (OSError, ValueError, LookupError, TypeError):  # a latent's header may say anything
        return False


def _ends_with_a_box(path: Path) -> bool:
    """Tells whether the boxes of an MP4 end where the file ends (ISO/IEC 14496-12, 4.2)."""
    place, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            length = int.from_bytes(file.read(4), "big")
            if length == 1:  # it is too long for four bytes
                length = int.from_bytes(file.read(12)[4:], "big")
            if length < 8:
                return False
            place += length
    return place == size
