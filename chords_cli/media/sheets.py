"""Draws pictures side by side, with captions, and below them their amplified differences to one.

The captions come from outside.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Frames = np.ndarray
"""uint8, [frames, height, width, 3]."""

_PAPER, _INK, _FAINT = (250, 250, 249), (28, 30, 33), (110, 114, 120)
_GAP, _LINE, _TITLE = 16, 18, 24
_SMALLEST, _LARGEST = 224, 448
"""Width of a cell in pixels: small pictures are enlarged by a whole factor, large ones shrunk."""

_GAINS = (1, 2, 4, 8, 16, 32, 64)
_UNCLIPPED = 0.995
"""The share of a difference map's values that stay below white."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One result: its frames and the lines of text below them."""

    frames: Frames
    caption: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Results of one prompt and seed, compared with the result at index `reference`.

    `inputs` are what they start from, of any size; they are shown first.
    """

    heading: str
    cells: tuple[Cell, ...]
    reference: int
    inputs: tuple[Cell, ...] = ()


def sheet(title: str, rows: Sequence[Row]) -> np.ndarray:
    """Draws all rows, each with its difference maps: uint8, [height, width, 3]."""
    parts = [_draw_row(row, len(row.cells[0].frames) // 2) for row in rows]
    width = max(part.width for part in parts)
    page = _paper(width, _TITLE + 2 * _GAP + sum(part.height for part in parts))
    _write(_pen(page), (_GAP, _GAP), title, width - 2 * _GAP, size=_TITLE - 4)
    top = _TITLE + 2 * _GAP
    for part in parts:
        page.paste(part, (0, top))
        top += part.height
    return np.asarray(page)


def film_frames(title: str, row: Row) -> Frames:
    """Draws every frame of a row; width and height are even, as videos need them."""
    pictures = (sheet_frame(title, row, n) for n in range(len(row.cells[0].frames)))
    return np.stack([picture[: len(picture) // 2 * 2] for picture in pictures])


def sheet_frame(title: str, row: Row, number: int) -> np.ndarray:
    """Draws frame `number` of all results of a row, below a title."""
    part = _draw_row(row, number)
    page = _paper(part.width // 2 * 2, part.height + _TITLE + 2 * _GAP)
    _write(_pen(page), (_GAP, _GAP), title, part.width - 2 * _GAP, size=_TITLE - 4)
    page.paste(part, (0, _TITLE + 2 * _GAP))
    return np.asarray(page)


def difference_map(picture: np.ndarray, reference: np.ndarray, gain: int) -> np.ndarray:
    """Returns the absolute difference of two pictures times `gain`, clipped to white, as uint8."""
    gap = np.abs(picture.astype(np.int16) - reference)
    return np.minimum(gap * gain, 255).astype(np.uint8)


def gain_for(pictures: Sequence[np.ndarray], reference: np.ndarray) -> int:
    """Returns the largest amplification that leaves nearly all of every difference below white."""
    gaps = [np.abs(picture.astype(np.int16) - reference) for picture in pictures]
    top = max((float(np.quantile(gap, _UNCLIPPED)) for gap in gaps if gap.any()), default=255.0)
    return max(gain for gain in _GAINS if gain == 1 or gain * top <= 255)


def _draw_row(row: Row, frame: int) -> "Image":
    """Draws the pictures of a row above their difference maps."""
    pictures = [cell.frames[frame] for cell in row.cells]
    reference = pictures[row.reference]
    gain = gain_for(pictures, reference)
    size = width, height = _scaled(pictures[0])
    shown = [*row.inputs, *row.cells]
    lines = max(len(cell.caption) for cell in shown)
    above = _GAP + _LINE
    below = above + height + 4 + lines * _LINE + _GAP
    page = _paper(_GAP + len(shown) * (width + _GAP), below + height + _LINE + 2 * _GAP)
    pen = _pen(page)
    _write(pen, (_GAP, _GAP // 2), row.heading, page.width - 2 * _GAP, color=_FAINT)
    for column, cell in enumerate(shown):
        left, number = _GAP + column * (width + _GAP), column - len(row.inputs)
        picture = cell.frames[min(frame, len(cell.frames) - 1)]
        page.paste(_fitted(picture, size) if number < 0 else _resized(picture, size), (left, above))
        for line, text in enumerate(cell.caption):
            top = above + height + 4 + line * _LINE
            _write(pen, (left, top), text, width, color=_FAINT if line else _INK)
        if number < 0:
            continue
        if number == row.reference:
            _write(pen, (left, below), "reference of the differences", width, color=_FAINT)
            continue
        gap = difference_map(picture, reference, gain)
        page.paste(_resized(gap, size), (left, below))
        _write(pen, (left, below + height + 4), f"difference x {gain}", width, color=_FAINT)
    return page


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> "Image":
    """Returns a picture of another shape as large as it fits into `size`, in its middle."""
    from PIL import Image, ImageOps

    within = ImageOps.contain(Image.fromarray(picture), size, Image.Resampling.LANCZOS)
    page = Image.new("RGB", size, _PAPER)
    page.paste(within, ((size[0] - within.width) // 2, (size[1] - within.height) // 2))
    return page


def _scaled(picture: np.ndarray) -> tuple[int, int]:
    """Returns the width and the height of the cell for a picture."""
    height, width = picture.shape[:2]
    if width <= _LARGEST:
        times = max(1, -(-_SMALLEST // width))
        return width * times, height * times
    return _LARGEST, round(height * _LARGEST / width)


def _resized(picture: np.ndarray, size: tuple[int, int]) -> "Image":
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    larger = size[0] >= image.width
    return image.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS)


def _paper(width: int, height: int) -> "Image":
    from PIL import Image

    return Image.new("RGB", (width, height), _PAPER)


def _pen(page: "Image") -> "ImageDraw":
    from PIL import ImageDraw

    return ImageDraw.Draw(page)


def _write(
    pen: "ImageDraw",
    place: tuple[int, int],
    text: str,
    width: int,
    *,
    size: int = 14,
    color: tuple[int, int, int] = _INK,
) -> None:
    """Writes one line, cut off at `width`."""
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    line = " ".join(text.split())[: width + 1]  # a letter is at least a pixel wide

    def length(letters: int) -> int:
        return math.ceil(pen.textlength(line[:letters].rstrip() + "…", font=font))

    if pen.textlength(line, font=font) > width:
        fitting = bisect_right(range(len(line)), width, key=length) - 1
        line = line[: max(fitting, 0)].rstrip() + "…"
    pen.text(place, line, fill=color, font=font)
