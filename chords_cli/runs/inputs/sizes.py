"""Which size a result gets, and what of a picture is kept for it: nothing is ever stretched."""

import math
from collections.abc import Sequence
from dataclasses import replace

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import PipelineClass
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.roles import Role
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.inputs import Fitted, Input, Size

_LEADING: tuple[Role, ...] = ("video", "image", "control")
"""Whose shape the result has, if several are given."""

_REFERENCES = ("reference_images", "ip_adapter_image")
"""Arguments for pictures that say what is shown, never in which shape."""

_FLUX2 = "Flux2"
_LEAST, _LONGEST = 64, 8
"""The limits of Flux2's image processor: the pixels of a side, and one side by the other."""


def size_from(picture: Size, area: int, multiple: int) -> Size:
    """Returns the size that keeps most of a picture in at most that area, in multiples.

    Args:
        picture: Width and height.
        area: In pixels.
        multiple: What both sides are a multiple of.

    Returns:
        Width and height; 0 where less than a multiple is left of a side.
    """
    width, height = picture
    across, down = (
        math.isqrt(area * side // other) // multiple * multiple
        for side, other in ((width, height), (height, width))
    )
    sizes = [(across + more, down + extra) for more in (0, multiple) for extra in (0, multiple)]

    def value(size: Size) -> float:
        """Returns how much is kept of the picture, times how much is used of the area."""
        kept = sorted((size[0] * height, size[1] * width))
        return kept[0] / kept[1] * size[0] * size[1]

    fitting = [size for size in sizes if size[0] * size[1] <= area and all(size)]
    return max(fitting, key=value, default=(across, down))


def crop_to(picture: Size, shape: Size) -> Size:
    """Returns the largest part of a picture that has the shape of another."""
    (width, height), (across, down) = picture, shape
    if width * down > height * across:
        return max(1, round(height * across / down)), height
    return width, max(1, round(width * down / across))


def fit_sizes(
    inputs: Sequence[Input],
    preset: Preset,
    pipeline: PipelineClass | None,
    call: Arguments,
    *,
    width: int | None,
    height: int | None,
) -> Fitted:
    """Chooses the size of the result, and crops every input around its centre to its shape.

    Where no side is given, it is nearly the shape of the picture at the area of the preset's size;
    where the preset has none, it is left to the pipeline. A pipeline without arguments for a size
    takes it from the picture, which then is scaled. References stay whole.

    Args:
        inputs: As they were read.
        preset: Its size and limits count.
        pipeline: Its pipeline; None where the source cannot be read.
        call: The arguments of the pipeline's call, without the files.
        width: As the user asks for it; None if not given.
        height: As the user asks for it; None if not given.

    Raises:
        UsageError: A picture is too small or too narrow for the pipeline.
    """
    shown = [one for one in inputs if one.argument not in _REFERENCES]
    leading = next((one for role in _LEADING for one in shown if one.role == role), None)
    if leading is None:
        return Fitted(tuple(inputs), call, ())
    # the sides of a video are even
    multiple = math.lcm(preset.limits.size_multiple, 2 if preset.kind == "video" else 1)
    size = _size(leading, preset, multiple, width, height)
    scaled = pipeline is not None and not {"width", "height"} & pipeline.arguments.keys()
    if scaled:
        call = {name: value for name, value in call.items() if name not in ("width", "height")}
    elif size:
        call = call | {"width": size[0], "height": size[1]}
    shape = size
    if scaled and size is None:
        whole = [side // multiple * multiple for side in leading.size]
        shape = _checked((whole[0], whole[1]), leading, multiple)
    fitted = [_cropped(one, preset, leading, size, shape, scaled=scaled) for one in inputs]
    for one in fitted:
        _check_flux2(one, preset)
    asked = size if width is None or height is None else None
    notes = (_note(one, leading, asked) for one in fitted)
    return Fitted(tuple(fitted), call, tuple(filter(None, notes)))


def _size(
    leading: Input, preset: Preset, multiple: int, width: int | None, height: int | None
) -> Size | None:
    """Returns the size of the result; None where it is left to the pipeline."""
    if width and height:
        return width, height
    own = preset.call.get("width"), preset.call.get("height")
    if width:
        size = width, round(width * leading.size[1] / leading.size[0] / multiple) * multiple
    elif height:
        size = round(height * leading.size[0] / leading.size[1] / multiple) * multiple, height
    elif own[0] and own[1]:
        size = size_from(leading.size, own[0] * own[1], multiple)
    else:
        return None
    return _checked(size, leading, multiple)


def _checked(size: Size, leading: Input, multiple: int) -> Size:
    """Refuses a picture of which a side would vanish."""
    if all(size):
        return size
    side = "wide" if size[0] == 0 else "high"
    raise UsageError(
        f"{{{leading.option}:name}} {leading.name} is {leading.shape}: a result of that "
        f"shape would be less than {multiple} pixels {side}",
        "crop it, or say {width:name} and {height:name}",
        {leading.option: None, "width": None, "height": None},
    )


def _cropped(
    one: Input,
    preset: Preset,
    leading: Input,
    size: Size | None,
    shape: Size | None,
    *,
    scaled: bool,
) -> Input:
    """Returns an input with what of it is kept, and scaled if nobody else scales it.

    Args:
        one: The input.
        preset: Says whether it is one of several references.
        leading: The input whose shape the result has.
        size: That of the result; None where only the picture says it.
        shape: To which it is cropped; None if it stays whole.
        scaled: Whether the pipeline takes the size from it.
    """
    rule = preset.inputs.get(one.role)
    if shape is None or one.argument in _REFERENCES or (rule and rule.several):
        return one
    crop = shape if size is None and one.size == leading.size else crop_to(one.size, shape)
    target = shape if scaled and crop != shape else None
    medium = replace(one.medium, crop=None if crop == one.size else crop, size=target)
    return replace(one, medium=medium)


def _check_flux2(one: Input, preset: Preset) -> None:
    """Refuses what Flux2 refuses once it is loaded."""
    short, long = sorted(one.medium.size or one.medium.crop or one.size)
    if not preset.pipeline.startswith(_FLUX2) or one.role != "image":
        return
    if short < _LEAST:
        raise UsageError(
            f"{{{one.option}:name}} {one.name} is {one.shape}, but {preset.name} takes at least "
            f"{_LEAST} pixels a side",
            "make it larger",
            {one.option: None},
        )
    if long > _LONGEST * short:
        raise UsageError(
            f"{{{one.option}:name}} {one.name} is {one.shape}, but {preset.name} takes at most "
            f"{_LONGEST}:1",
            "crop it",
            {one.option: None},
        )


def _note(one: Input, leading: Input, size: Size | None) -> str | None:
    """Says what of a picture is kept, and which size follows from it; None if it is nothing new.

    Args:
        one: The input.
        leading: The input whose shape the result has.
        size: That of the result, if the picture says it.
    """
    crop = one.medium.crop or one.size
    leads = one.path == leading.path and one.role == leading.role
    parts = [f"cropped to {crop[0]}x{crop[1]}"] if crop != one.size else []
    if not leads and one.size == leading.size:
        return None
    if leads and size and size != crop:
        parts.append(f"the result is {size[0]}x{size[1]}")
    return f"{one.path.name} is {one.shape}: {', '.join(parts)}" if parts else None
