"""Pictures and videos among the arguments of a call: files on the way, opened by every core.

A file's bytes are read once, before anything starts, and travel as they are. Equal files are equal
arguments, so samples that begin alike share what was encoded.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import imageio.v3 as imageio
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from chords_cli.pipelines.load.spec import Arguments


@dataclass(frozen=True, kw_only=True, slots=True)
class Medium:
    """A picture or a video that a pipeline starts from.

    Attributes:
        sha256: Of the bytes; two are the same if this and what is made of them are the same.
        several_frames: Whether the pipeline takes a list of frames.
        frames: How often a picture is repeated where it stands for a video; None for once.
        size: Width and height to which it is cropped and scaled; None as it is.
        data: The bytes of the file.
    """

    sha256: str
    several_frames: bool = False
    frames: int | None = None
    size: tuple[int, int] | None = None
    data: bytes = field(compare=False, repr=False)


def has_pictures(call: Arguments) -> bool:
    """Tells whether a pipeline called like that starts from a picture or a video."""
    listed = (value if isinstance(value, list | tuple) else [value] for value in call.values())
    return any(isinstance(one, Medium | Image.Image) for values in listed for one in values)


def opened(call: Arguments) -> Arguments:
    """Returns the call with pictures (PIL, upright, RGB) in the place of files."""
    return {key: _opened(value) for key, value in call.items()}


def _opened(value: Any) -> Any:
    if isinstance(value, list | tuple) and any(isinstance(one, Medium) for one in value):
        return [_opened(one) for one in value]
    if not isinstance(value, Medium):
        return value
    frames = list(read_frames(value.data))
    if value.size:
        frames = [ImageOps.fit(frame, value.size, Image.Resampling.LANCZOS) for frame in frames]
    if not value.several_frames:
        return frames[0]
    return frames * value.frames if value.frames and len(frames) == 1 else frames


def read_frames(data: bytes) -> Sequence[Image.Image]:
    """Reads every frame of a file, upright and in RGB; one of a picture.

    Raises:
        ValueError, OSError: It is neither a picture nor a video.
    """
    try:
        with Image.open(io.BytesIO(data)) as file:
            frames = [frame.copy() for frame in ImageSequence.Iterator(file)]
    except UnidentifiedImageError:
        read = imageio.imiter(data, extension=".mp4", plugin="FFMPEG")
        frames = [Image.fromarray(frame) for frame in read]
    return [ImageOps.exif_transpose(frame).convert("RGB") for frame in frames]
