"""Does a clip show its sentence? Segmented by palette colour; motions by position and area."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.clips import Clip
from training.judge import (
    border,
    figure_colours,
    guess_shape,
    most_common,
    nearest_colours,
    without_specks,
)
from training.shapes import COLOURS

_BORDER = 3
_FEWEST_FRAMES = 5
_GROWTH = 2.0
_TRAVEL = 0.3


@dataclass(frozen=True, slots=True)
class ClipVerdict:
    """What is right in one clip."""

    background: bool
    colours: bool
    motions: bool
    shapes: bool


def judge_clip(frames: Tensor, clip: Clip) -> ClipVerdict:
    """Compare a clip in [-1, 1], shape (F, 3, H, W), with what it was asked to show."""
    names = torch.stack([nearest_colours(frame) for frame in frames])
    background = most_common(border(names, _BORDER))
    blobs = [actor.blob for actor in clip.actors]
    masks = [names == list(COLOURS).index(blob.colour) for blob in blobs]
    return ClipVerdict(
        background=list(COLOURS)[background] == clip.background,
        colours=figure_colours(names, background, len(blobs)) == {blob.colour for blob in blobs},
        motions=[guess_motion(mask) for mask in masks] == [actor.motion for actor in clip.actors],
        shapes=[_shape(mask) for mask in masks] == [blob.shape for blob in blobs],
    )


def guess_motion(masks: Tensor) -> str | None:
    """The motion of a shape from its masks (F, H, W), or None where it is none of the known.

    A shape that goes anywhere crosses most of the picture.
    """
    tracked = [_position(without_specks(mask)) for mask in masks if mask.any()]
    if len(tracked) < max(_FEWEST_FRAMES, len(masks) // 2):
        return None
    track = torch.tensor(tracked)
    ends = track[:3].median(0).values, track[-3:].median(0).values
    growth = float(ends[1][2] / ends[0][2])
    if not 1.0 / _GROWTH < growth < _GROWTH:
        return "growing" if growth > 1.0 else "shrinking"
    across, up = (float(end - start) for start, end in zip(*(e[:2] for e in ends), strict=True))
    width, height = (float(part.max() - part.min()) for part in track[:, :2].T)
    if height > _TRAVEL and height > width and abs(up) < height / 2:
        return "bouncing"
    if max(abs(across), abs(up)) > _TRAVEL:
        if abs(across) > abs(up):
            return "right" if across > 0 else "left"
        return "up" if up > 0 else "down"
    return "still" if max(width, height) < _TRAVEL else None


def _position(mask: Tensor) -> tuple[float, float, float]:
    """The middle of a mask (x right, y up, -1 to 1) and its area in pixels."""
    rows, columns = mask.nonzero().float().T
    half = mask.shape[0] / 2
    x, y = (columns.mean() + 0.5) / half - 1.0, 1.0 - (rows.mean() + 0.5) / half
    return float(x), float(y), float(mask.sum())


def _shape(masks: Tensor) -> str | None:
    """The shape, from the frame in which most of it is seen."""
    return guess_shape(masks[masks.flatten(1).sum(1).argmax()])
