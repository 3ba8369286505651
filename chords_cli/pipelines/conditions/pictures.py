"""Pictures and videos among the arguments of a call: files on the way, opened by every core.

A file's bytes are read once, before anything starts, and travel as they are. Equal files are equal
arguments, so samples that begin alike share what was encoded. What is checked before anything
starts and what the pipeline gets is read by the same code.
"""

import importlib
import importlib.util
import io
import itertools
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, UnidentifiedImageError

from chords_cli.errors import UsageError
from chords_cli.pipelines.conditions.colours import as_seen
from chords_cli.pipelines.conditions.signatures import Signature, find_signature
from chords_cli.pipelines.conditions.videos import (
    MOST_FRAMES,
    Frames,
    pace,
    read_video,
    survey_video,
)
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.pipelines.said import Tell

Size = tuple[int, int]
"""Width and height."""

KINDS = "a PNG, JPEG or WebP picture, or an MP4, WebM or GIF for a model that takes a video"


@dataclass(frozen=True, kw_only=True, slots=True)
class Medium:
    """A picture or a video that a pipeline starts from.

    Attributes:
        sha256: Of the bytes; two are the same if this and what is made of them are the same.
        mask: Whether it says where something is made, as greys.
        several_frames: Whether the pipeline takes a list of frames.
        frames: How many of them: a picture is repeated, a video ends there; None for all it has.
        crop: Width and height that are kept, around the centre; None for all of it.
        size: Width and height to which that is scaled; None as it is.
        data: The bytes of the file.
    """

    sha256: str
    mask: bool = False
    several_frames: bool = False
    frames: int | None = None
    crop: Size | None = None
    size: Size | None = None
    data: bytes = field(compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a file holds.

    Attributes:
        size: As it is seen, turned as its camera said.
        frames: How many there are; 1 of a picture.
        pace: Frames a second; None of a picture, or where the file does not say.
        notes: What is changed when it is read, in words that go on after the file's name.
    """

    size: Size
    frames: int
    pace: float | None
    notes: tuple[str, ...]


def has_pictures(call: Arguments) -> bool:
    """Tells whether a pipeline called like that starts from a picture or a video."""
    listed = (value if isinstance(value, list | tuple) else [value] for value in call.values())
    return any(isinstance(one, Medium | Image.Image) for values in listed for one in values)


def opened(call: Arguments) -> Arguments:
    """Returns the call with pictures (PIL, upright, RGB) in the place of files."""
    return {key: _opened(value) for key, value in call.items()}


def examine(data: bytes, *, mask: bool = False) -> Content:
    """Decodes a complete file and tells what it holds.

    Args:
        data: The file's bytes.
        mask: Whether it is read as greys, of which some are light.

    Raises:
        UsageError: It is no picture or video, or cannot be read as one; the message goes on after
            the file's name.
    """
    notes = dict[str, None]()
    if _signature(data).pillow is None:
        found = survey_video(data)
    else:
        frames = _frames(data, mask=mask, tell=lambda note: notes.update({note: None}))
        found = _survey(frames)
    if found.count > MOST_FRAMES:
        raise UsageError(
            f"has more than {MOST_FRAMES} frames",
            "cut it: ffmpeg -i FILE -frames:v 81 short.mp4",
        )
    if mask and not any(any(frame.histogram()[128:]) for frame in read_frames(data, mask=True)):
        raise UsageError("is dark everywhere", "paint white what is to be changed")
    return Content(size=found.size, frames=found.count, pace=pace(found.times), notes=tuple(notes))


def read_frames(data: bytes, *, mask: bool = False) -> Iterator[Image.Image]:
    """Yields every frame of a file, upright and in RGB, a mask's in grey; one of a picture.

    Raises:
        UsageError: It is neither a picture nor a video, or is damaged.
    """
    for frame, _ in _frames(data, mask=mask, tell=lambda note: None):
        yield frame


def _opened(value: Any) -> Any:
    if isinstance(value, list | tuple) and any(isinstance(one, Medium) for one in value):
        return [_opened(one) for one in value]
    if not isinstance(value, Medium):
        return value
    frames = (_fitted(frame, value) for frame in read_frames(value.data, mask=value.mask))
    if not value.several_frames:
        return next(frames)
    taken = list(itertools.islice(frames, value.frames))
    return taken * value.frames if value.frames and len(taken) == 1 else taken


def _fitted(picture: Image.Image, medium: Medium) -> Image.Image:
    """Crops a picture around its centre and scales it, as far as its medium says so."""
    if medium.crop not in (None, picture.size):
        width, height = medium.crop
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        with _quiet():
            picture = picture.crop((left, top, left + width, top + height))
    if medium.size not in (None, picture.size):
        picture = picture.resize(medium.size, Image.Resampling.LANCZOS)
    return picture


def _signature(data: bytes) -> Signature:
    """Tells what a file is, and has it read by the package that it needs."""
    signature = find_signature(data)
    if signature is None:
        raise UsageError(f"is {_no_picture(data)}", f"name {KINDS}")
    if signature.pillow == "HEIF":
        if importlib.util.find_spec("pillow_heif") is None:
            raise UsageError(
                "is HEIC, which needs pillow-heif, and that is not installed",
                'pip install "chords-cli[heic]", or save it as JPEG',
            )
        importlib.import_module("pillow_heif").register_heif_opener()
    elif signature.pillow and signature.pillow not in Image.OPEN:
        Image.init()
    if signature.pillow and signature.pillow not in Image.OPEN:
        raise UsageError(
            f"is {signature.name}, which the installed Pillow cannot read", "save it as PNG"
        )
    return signature


def _no_picture(data: bytes) -> str:
    """Says what a file is instead of a picture."""
    if not data:
        return "empty"
    text = not re.search(rb"[\0-\x08\x0e-\x1a]", data[:512])
    return "text and no picture" if text else "neither a picture nor a video that is known here"


def _survey(frames: Iterator[tuple[Image.Image, float]]) -> Frames:
    """Tells what frames are, from each with its duration in seconds."""
    sizes, times, now = dict[Size, None](), list[float](), 0.0
    for frame, duration in frames:
        sizes[frame.size] = None
        times.append(now)
        now += duration
    if len(sizes) > 1:
        named = " and ".join(f"{width}x{height}" for width, height in list(sizes)[:2])
        raise UsageError(f"has frames of several sizes, {named}", "make them of one size")
    return Frames(next(iter(sizes)), tuple(times), len(times))


def _frames(data: bytes, *, mask: bool, tell: Tell) -> Iterator[tuple[Image.Image, float]]:
    """Yields every frame of a file with its duration in seconds, 0 where that is not known."""
    signature = _signature(data)
    if signature.pillow is None:
        yield from ((as_seen(frame, mask=mask, tell=tell), 0.0) for frame in read_video(data))
        return
    try:
        with _quiet():
            file = Image.open(io.BytesIO(data), formats=[signature.pillow])
            count = getattr(file, "n_frames", 1) if signature.moves else 1
        with file:
            first = int(count > 1 and bool(file.info.get("default_image")))
            for n in range(first, min(count, MOST_FRAMES + 1)):
                with _quiet():
                    file.seek(n)
                    seen = as_seen(file.copy(), mask=mask, tell=tell)
                yield seen, (file.info.get("duration") or 0) / 1000
    except UsageError:
        raise
    except Image.DecompressionBombError as error:
        pixels, most = (int(number) / 1e6 for number in re.findall(r"\d+", str(error))[:2])
        raise UsageError(
            f"has {pixels:.0f} megapixels, but at most {most:.0f} are read", "make it smaller"
        ) from error
    except Exception as error:  # whatever a decoder says of bytes
        reason = " ".join(str(error).split()).rstrip(".")[:120] or type(error).__name__
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({reason})"
        raise UsageError(
            f"is a damaged {signature.name} file{reason}", "save or download it again"
        ) from error


def _quiet() -> AbstractContextManager[object]:
    """Holds back what Pillow warns of: of sizes that are read all the same, and of odd tags."""
    return warnings.catch_warnings(action="ignore")
