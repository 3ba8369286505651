"""Grids of pictures, to be looked at."""

from pathlib import Path

from PIL import Image
from torch import Tensor


def save_grid(images: Tensor, path: Path, *, columns: int = 8) -> None:
    """Write pictures in [-1, 1], shape (B, 3, H, W), as one PNG; B is a multiple of `columns`."""
    count, _, height, width = images.shape
    rows = count // columns
    table = images.reshape(rows, columns, 3, height, width).permute(0, 3, 1, 4, 2)
    pixels = ((table.float().clamp(-1, 1) + 1.0) * 127.5).round().byte().cpu()
    Image.fromarray(pixels.reshape(rows * height, columns * width, 3).numpy()).save(path)
