"""Turns what a picture's file holds into what models see: upright, with 8 bits a channel.

The pixels are those of diffusers' `load_image`, except where that shows something else than every
viewer does: 16 bits become 8 instead of white, and what is transparent lies on a ground instead of
showing the colours below.
"""

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from chords_cli.errors import UsageError
from chords_cli.pipelines.said import Tell

_DEEPEST = 65535
"""The largest value of 16 bits."""

_COLOURED = 32
"""From this difference of two channels on, of 255, a mask was not meant to be grey."""


def as_seen(picture: Image.Image, *, mask: bool = False, tell: Tell) -> Image.Image:
    """Returns a picture upright and in RGB, a mask in grey.

    Args:
        picture: As it was read.
        mask: Whether it says where something is made: then nothing is where it is transparent.
        tell: Takes what is changed, in words that go on after the file's name.

    Raises:
        UsageError: Its values have no colours; the message goes on after the file's name.
    """
    seen = _in_eight_bits(ImageOps.exif_transpose(picture))
    if seen.mode == "CMYK":
        tell("is CMYK: its colours become RGB without its profile")
    if seen.has_transparency_data:
        seen = _on_ground(seen.convert("RGBA"), "black" if mask else "white", tell)
    seen = seen.convert("RGB")
    if not mask:
        return seen
    channels = np.asarray(seen).astype(np.int16)
    if (channels.max(axis=2) - channels.min(axis=2)).max() >= _COLOURED:
        tell("is coloured: only how light it is counts, and red and blue are dark")
    return seen.convert("L")


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """Scales a grey picture of 16 bits; others stay as they are."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values: Any = np.asarray(picture)
    low, high = values.min(), values.max()
    if picture.mode == "F" or low < 0 or high > _DEEPEST:
        raise UsageError(
            f"has {'fractions' if picture.mode == 'F' else '32-bit numbers'} as its pixels, "
            f"from {low:g} to {high:g}",
            "save it with 8 or 16 bits a channel",
        )
    scaled = (values.astype(np.uint32) * 255 + _DEEPEST // 2) // _DEEPEST
    return Image.fromarray(scaled.astype(np.uint8))


def _on_ground(picture: Image.Image, ground: str, tell: Tell) -> Image.Image:
    """Lays a picture on a ground where it is transparent."""
    if picture.getchannel("A").getextrema() == (255, 255):
        return picture
    tell(f"is transparent in places: {ground} is put behind it")
    return Image.alpha_composite(Image.new("RGBA", picture.size, ground), picture)
