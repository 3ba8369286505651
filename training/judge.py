"""Does a picture show its scene? Segmented by palette colour, shapes by overlap of outlines."""

from dataclasses import dataclass
from functools import cache

import torch
from skimage.measure import label
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from training.scenes import RELATIONS, Scene
from training.shapes import COLOURS, IMAGE_SIZE, SHAPES, Blob, Layout, paint

_BORDER = 6
_SMALLEST = 40
_OUTLINE = 48


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is right in one picture; `places` is None where the sentence names none."""

    background: bool
    colours: bool
    shapes: bool
    places: bool | None


def judge(image: Tensor, scene: Scene) -> Verdict:
    """Compare a picture in [-1, 1], shape (3, H, W), with what it was asked to show."""
    names = nearest_colours(image)
    background = most_common(border(names))
    found = figure_colours(names, background, len(scene.blobs))
    masks = [without_specks(names == list(COLOURS).index(blob.colour)) for blob in scene.blobs]
    outlines = [guess_shape(mask) for mask in masks]
    return Verdict(
        background=list(COLOURS)[background] == scene.background,
        colours=found == {blob.colour for blob in scene.blobs},
        shapes=outlines == [blob.shape for blob in scene.blobs],
        places=_places_right(scene, masks),
    )


def nearest_colours(image: Tensor) -> Tensor:
    """The index in `COLOURS` of each pixel's nearest palette colour, shape (H, W)."""
    palette = torch.tensor(list(COLOURS.values()), dtype=torch.float32) / 127.5 - 1.0
    pixels = image.float().flatten(1).T
    return torch.cdist(pixels, palette).argmin(dim=1).reshape(image.shape[1:])


def guess_shape(mask: Tensor) -> str | None:
    """The shape whose outline overlaps most with a mask, or None for a mask of next to nothing."""
    piece = without_specks(mask)
    if piece.sum() < _SMALLEST:
        return None
    outline = _outline(piece)
    return max(SHAPES, key=lambda shape: _overlap(outline, _template(shape)))


def figure_colours(names: Tensor, background: int, count: int) -> set[str]:
    """The `count` most frequent colours besides the background; blends are too thin to count."""
    areas = torch.bincount(names.flatten(), minlength=len(COLOURS))
    areas[background] = 0
    largest = areas.topk(count).indices.tolist()
    return {list(COLOURS)[index] for index in largest if areas[index] >= _SMALLEST}


def _places_right(scene: Scene, masks: list[Tensor]) -> bool | None:
    if any(not mask.any() for mask in masks):
        return None if scene.place is None and scene.relation in (None, "and") else False
    centres = [_centre(mask) for mask in masks]
    if scene.relation in RELATIONS:
        offset = torch.tensor(RELATIONS[scene.relation])
        return bool(((centres[0] - centres[1]) * offset).sum() > 0.2 * offset.norm())
    if scene.place is None:
        return None
    return bool((centres[0] - torch.tensor(scene.blobs[0].centre)).norm() < 0.25)


def _centre(mask: Tensor) -> Tensor:
    """The middle of a mask's bounding box, x right and y up, edges of the image at -1 and 1."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    middle = torch.stack([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / IMAGE_SIZE - 1.0
    return middle * torch.tensor([1.0, -1.0])


def _outline(mask: Tensor) -> Tensor:
    """A mask cut out square around its bounding box, at a standard size."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].float()
    side = max(box.shape)
    up, left = (side - box.shape[0]) // 2, (side - box.shape[1]) // 2
    box = pad(box, (left, side - box.shape[1] - left, up, side - box.shape[0] - up))
    return interpolate(box[None, None], (_OUTLINE, _OUTLINE), mode="area")[0, 0]


def without_specks(mask: Tensor) -> Tensor:
    """Keep the largest piece: blends at the edge of another shape can have this one's colour."""
    around = avg_pool2d(mask[None, None].float(), 3, 1, 1)[0, 0]
    kept = mask & (around > 0.4)
    pieces = torch.from_numpy(label((kept if kept.any() else mask).numpy()))
    if not pieces.any():
        return mask
    return pieces == torch.bincount(pieces[pieces > 0]).argmax()


def _overlap(first: Tensor, second: Tensor) -> float:
    return float(torch.minimum(first, second).sum() / torch.maximum(first, second).sum())


@cache
def _template(shape: str) -> Tensor:
    image = paint(Layout.of(["black"], [[Blob(shape, "white", (0.0, 0.0), 0.8)]]))[0]
    return _outline(image[0] > 0.0)


def border(names: Tensor, width: int = _BORDER) -> Tensor:
    """What lies within `width` pixels of the edges of (..., H, W)."""
    inner = torch.ones_like(names, dtype=torch.bool)
    inner[..., width:-width, width:-width] = False
    return names[inner]


def most_common(values: Tensor) -> int:
    """The most frequent of some whole numbers."""
    return int(torch.bincount(values.flatten()).argmax())
