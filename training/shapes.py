"""Flat shapes as signed distances, and an anti-aliased painter for whole batches of them.

Distances are in units of the shape's own radius, negative inside, with y pointing up. This file
knows geometry and pixels; what a scene means and how it is said lives in `scenes.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

IMAGE_SIZE = 128


def circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.95


def square(x: Tensor, y: Tensor) -> Tensor:
    return _box(x, y, 0.84, 0.84)


def diamond(x: Tensor, y: Tensor) -> Tensor:
    """A rhombus, slimmer than a square on its corner so that the two differ in outline too."""
    return (x.abs() * 1.0 + y.abs() * 0.68 - 0.72) / math.hypot(1.0, 0.68)


def triangle(x: Tensor, y: Tensor) -> Tensor:
    """An equilateral triangle standing on its base."""
    return torch.maximum(x.abs() * math.sqrt(0.75) + y * 0.5 - 0.55, -y - 0.65)


def ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.72).abs() - 0.24


def cross(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(_box(x, y, 0.95, 0.33), _box(x, y, 0.33, 0.95))


def star(x: Tensor, y: Tensor) -> Tensor:
    """Five points, by folding the plane into one tenth of it (after Inigo Quilez)."""
    outer, inner = 1.05, 0.42
    fold = math.pi / 5
    angle = torch.atan2(x, y).abs() % (2 * fold)
    angle = torch.minimum(angle, 2 * fold - angle)
    radius = torch.hypot(x, y)
    across, along = radius * torch.sin(angle), radius * torch.cos(angle)
    notch_x, notch_y = inner * math.sin(fold), inner * math.cos(fold)
    edge_x, edge_y = notch_x, notch_y - outer
    length = math.hypot(edge_x, edge_y)
    return ((along - outer) * edge_x - across * edge_y) / length


def heart(x: Tensor, y: Tensor) -> Tensor:
    """Two round lobes over a point (after Inigo Quilez)."""
    x, y = x.abs() / 1.75, (y + 0.95) / 1.75
    lobe = torch.hypot(x - 0.25, y - 0.75) - math.sqrt(2) / 4
    half = 0.5 * (x + y).clamp(min=0.0)
    side = torch.minimum(torch.hypot(x, y - 1.0), torch.hypot(x - half, y - half))
    below = side * torch.sign(x - y)
    return torch.where(x + y > 1.0, lobe, below) * 1.75


def _box(x: Tensor, y: Tensor, half_width: float, half_height: float) -> Tensor:
    return torch.maximum(x.abs() - half_width, y.abs() - half_height)


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
    "ring": ring,
    "cross": cross,
    "diamond": diamond,
    "heart": heart,
}

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 38, 38),
    "green": (36, 160, 64),
    "blue": (40, 76, 220),
    "yellow": (250, 212, 32),
    "purple": (128, 44, 168),
    "orange": (246, 128, 24),
    "cyan": (44, 204, 222),
    "pink": (250, 146, 192),
    "white": (250, 250, 250),
    "black": (18, 18, 22),
}


@dataclass(frozen=True, slots=True)
class Blob:
    """One shape to paint: names from `SHAPES` and `COLOURS`, lengths in half image widths."""

    shape: str
    colour: str
    centre: tuple[float, float]
    radius: float


@dataclass(frozen=True, slots=True)
class Layout:
    """What to paint, as numbers: N pictures of at most L shapes, one over the other.

    Attributes:
        grounds: (N,) indices in `COLOURS`.
        shapes: (L, N) indices in `SHAPES`, -1 where there is none.
        colours: (L, N) indices in `COLOURS`.
        places: (L, N, 3) centres and radii, lengths in half image widths.
    """

    grounds: np.ndarray
    shapes: np.ndarray
    colours: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, backgrounds: list[str], layers: list[list[Blob | None]]) -> "Layout":
        """Number colours by name, and lists of N shapes (or None), painted in their order."""
        shapes, colours = (
            {name: index for index, name in enumerate(names)} for names in (SHAPES, COLOURS)
        )
        empty = (-1, 0, 0.0, 0.0, 1.0)
        rows = np.array(
            [
                (shapes[blob.shape], colours[blob.colour], *blob.centre, blob.radius)
                if blob
                else empty
                for layer in layers
                for blob in layer
            ],
            dtype=np.float32,
        ).reshape(len(layers), len(backgrounds), len(empty))
        return cls(
            np.array([colours[name] for name in backgrounds], dtype=np.int8),
            rows[..., 0].astype(np.int8),
            rows[..., 1].astype(np.int8),
            rows[..., 2:],
        )

    def __len__(self) -> int:
        return len(self.grounds)

    def __getitem__(self, pictures: slice) -> "Layout":
        return Layout(
            self.grounds[pictures],
            self.shapes[:, pictures],
            self.colours[:, pictures],
            self.places[:, pictures],
        )


def coverage(
    shape: str, centres: Tensor, radii: Tensor, xs: Tensor, ys: Tensor, canvas: int = IMAGE_SIZE
) -> Tensor:
    """How much of each pixel the shape covers, 0 to 1.

    Args:
        shape: a name from `SHAPES`.
        centres: (N, 2), x to the right and y up, image edges at -1 and 1.
        radii: (N,).
        xs: (N, H, W) pixel centres in the same units.
        ys: likewise.
        canvas: pixels a side of the whole picture.
    """
    radii = radii[:, None, None]
    x = (xs - centres[:, 0, None, None]) / radii
    y = (ys - centres[:, 1, None, None]) / radii
    pixels = SHAPES[shape](x, y) * radii * (canvas / 2)
    return (0.5 - pixels).clamp(0.0, 1.0)


def paint(
    layout: Layout,
    windows: Tensor | None = None,
    size: int = IMAGE_SIZE,
    canvas: int = IMAGE_SIZE,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Paint a batch of scenes, in [-1, 1], shape (N, 3, size, size).

    Args:
        layout: of N pictures.
        windows: (N, 2) top left pixels of the parts to paint, where only parts are wanted.
        size: pixels a side of what is painted.
        canvas: pixels a side of the whole picture.
        device: to paint on.
    """
    windows = torch.zeros(len(layout), 2) if windows is None else windows
    windows = windows.to(device)
    half = canvas / 2
    steps = (torch.arange(size, device=device) + 0.5) / half
    xs = (steps[None, :] + windows[:, :1] / half - 1.0)[:, None, :].expand(-1, size, -1)
    ys = (1.0 - steps[None, :] - windows[:, 1:] / half)[:, :, None].expand(-1, -1, size)
    images = _rgb(layout.grounds, device)[:, :, None, None].repeat(1, 1, size, size)
    for shapes, colours, places in zip(layout.shapes, layout.colours, layout.places, strict=True):
        for index, name in enumerate(SHAPES):
            rows = np.flatnonzero(shapes == index)
            if not len(rows):
                continue
            where, blobs = (torch.from_numpy(x).to(device) for x in (rows, places[rows]))
            mask = coverage(name, blobs[:, :2], blobs[:, 2], xs[where], ys[where], canvas)[:, None]
            below, colour = images[where], _rgb(colours[rows], device)[:, :, None, None]
            images[where] = below.lerp(colour.expand_as(below), mask.expand_as(below))
    return images


def _rgb(colours: np.ndarray, device: torch.device | str) -> Tensor:
    palette = np.array(list(COLOURS.values()), dtype=np.float32)
    return torch.from_numpy(palette[colours]).to(device) / 127.5 - 1.0
