"""Patches of colours that tell which matrix and range a reader of videos assumes."""

import numpy as np

COLOURS = (
    *((250, 212, 32), (200, 30, 40), (20, 140, 60), (30, 60, 200), (128, 128, 128)),
    *((255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)),
)
SIZES = ((64, 64), (832, 480), (1280, 720))
"""Width and height: what readers take for a thumbnail, for standard and for high definition."""

_ROWS, _COLUMNS = 2, 5


def patches(width: int, height: int, count: int = 4) -> np.ndarray:
    """Returns frames that are alike, of two rows of five colours."""
    row = np.arange(height) * _ROWS // height
    column = np.arange(width) * _COLUMNS // width
    frame = np.array(COLOURS, dtype=np.uint8)[row[:, None] * _COLUMNS + column]
    return np.repeat(frame[None], count, axis=0)


def centres(width: int, height: int) -> list[tuple[int, int]]:
    """Returns x and y of the middle of every patch, in the order of `COLOURS`."""
    return [
        ((2 * column + 1) * width // (2 * _COLUMNS), (2 * row + 1) * height // (2 * _ROWS))
        for row in range(_ROWS)
        for column in range(_COLUMNS)
    ]
