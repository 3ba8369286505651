"""Pictures, masks and clips that tiny pipelines start from."""

import numpy as np
from PIL import Image


def picture(size: int, width: int | None = None, *, seed: int = 3) -> Image.Image:
    """A coloured ramp with a box in it: no two rows or columns are alike."""
    height, width = size, width or size
    rows, columns = np.indices((height, width))
    ramp = (rows * seed + columns * 5)[..., None] * np.array([3, 5, 7]) % 255
    ramp[height // 4 : height // 2, width // 4 : width // 2] = 255 - 40 * seed % 200
    return Image.fromarray(ramp.astype("uint8"))


def mask(size: int) -> Image.Image:
    """White, which is made anew, on the left half."""
    white = np.zeros((size, size), "uint8")
    white[:, : size // 2] = 255
    return Image.fromarray(white)


def clip(size: int, frames: int, *, seed: int = 2) -> list[Image.Image]:
    return [picture(size, seed=seed + number) for number in range(frames)]
