"""How many frames of a video are taken, and how many are made of it."""

from collections.abc import Sequence
from dataclasses import replace

import psutil

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import FRAMES, PipelineClass
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.call import FrameRule
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.inputs import Fitted, Input

_NUM_FRAMES = "num_frames"

_BYTES = 12
"""Of a pixel whose three numbers have become float32."""


def most_frames(count: int, rule: FrameRule | None) -> int:
    """Returns how many of `count` frames a pipeline takes at most; 0 if they are too few."""
    multiple, offset = (rule.multiple, rule.offset) if rule else (1, 0)
    most = (count - offset) // multiple * multiple + offset
    return most if most > 0 else 0


def fit_frames(
    inputs: Sequence[Input],
    preset: Preset,
    pipeline: PipelineClass | None,
    call: Arguments,
    *,
    frames: int | None,
) -> Fitted:
    """Cuts videos to the frames that are made, or makes no more than the shortest one has.

    Pictures in their place stand for all frames. Where neither the user nor the preset says how
    many, it is as many as the shortest video has.

    Args:
        inputs: With their sizes.
        preset: Its number of frames and its limits count.
        pipeline: Its pipeline; None where the source cannot be read.
        call: The arguments of the pipeline's call, without the files.
        frames: As the user asks for it; None if not given.

    Raises:
        UsageError: A video is too short, or too large for the memory of this machine.
    """
    listed = [one for one in inputs if one.medium.several_frames]
    if not listed:
        return Fitted(tuple(inputs), call, ())
    names = FRAMES & pipeline.arguments.keys() if pipeline else {_NUM_FRAMES}
    wanted = frames or next((call[name] for name in FRAMES if call.get(name)), None)
    shortest = min(
        (one for one in listed if one.frames > 1), key=lambda one: one.frames, default=None
    )
    count = _count(listed[0] if shortest is None else shortest, preset, wanted, asked=frames)
    _check_memory(listed, call, count)
    others = {name: value for name, value in call.items() if name not in FRAMES}
    call = call | dict.fromkeys(names, count) if names else others
    cut = tuple(
        replace(one, medium=replace(one.medium, frames=count)) if one in listed else one
        for one in inputs
    )
    told = [_note(one, count) for one in listed]
    if shortest is not None and frames is None and wanted and count < wanted:
        has = f"{shortest.path.name} has {shortest.frames} frames"
        told.append(f"{has}: the result has {count}, not {wanted}")
    return Fitted(cut, call, tuple(note for note in told if note))


def _count(one: Input, preset: Preset, wanted: int | None, *, asked: int | None) -> int:
    """Returns how many frames are made.

    Args:
        one: The shortest video; a picture where there is none.
        preset: Its limits count.
        wanted: How many there would be without a video; None where the video says it.
        asked: How many the user asks for; None if that is left to us.
    """
    rule = preset.limits.frames
    if one.frames == 1 and wanted:
        return wanted
    if one.frames == 1:
        raise UsageError(
            f"{{{one.option}:name}} {one.name} is a picture, but {preset.name} takes a video there",
            "name a video",
            {one.option: None},
        )
    most = most_frames(one.frames, rule)
    if asked and asked > one.frames and most:
        raise UsageError(
            f"{{{one.option}:name}} {one.name} has {one.frames} frames, but frames is {asked}",
            "use {frames}, or a longer video",
            {one.option: None, "frames": most},
        )
    if most == 0:
        assert rule is not None, "without a rule a frame is enough"
        raise UsageError(
            f"{{{one.option}:name}} {one.name} has {one.frames} frames, but {preset.name} makes at "
            f"least {rule.offset % rule.multiple or rule.multiple}",
            "name a longer video",
            {one.option: None},
        )
    return wanted if wanted and wanted <= one.frames else most


def _check_memory(listed: Sequence[Input], call: Arguments, count: int) -> None:
    """Refuses frames that this machine cannot hold as the numbers that a pipeline makes of them."""
    free, one = psutil.virtual_memory().available, listed[0]
    own = one.medium.size or one.medium.crop or one.size
    width, height = call.get("width") or own[0], call.get("height") or own[1]
    needed = count * width * height * _BYTES * len(listed)
    if needed > free:
        raise UsageError(
            f"{count} frames of {width}x{height} from {{{one.option}:name}} {one.name} take "
            f"{needed / 1e9:.0f} GB of memory, and {free / 1e9:.0f} GB are free",
            "say how many to take with {frames:name}, or make it smaller",
            {one.option: None, "frames": None},
        )


def _note(one: Input, count: int) -> str | None:
    """Says what of a video is left out, and for what a picture stands."""
    if one.frames > count:
        return f"{one.path.name} has {one.frames} frames: the first {count} are taken"
    if one.frames == 1 < count:
        return f"{one.path.name} is a picture: it stands for all {count} frames"
    return None
