"""Reads the files of a request, each once and whole, and checks them against each other."""

import hashlib
import shlex
from collections.abc import Sequence

from chords_cli.errors import UsageError, verbatim
from chords_cli.models.diffusers_source import PipelineClass
from chords_cli.presets.roles import Role, option_of
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.files import File, read_file
from chords_cli.runs.inputs.inputs import Input
from chords_cli.runs.inputs.roles import check_roles, takes_frames


def read_inputs(
    files: Sequence[tuple[Role, File]],
    preset: Preset,
    pipeline: PipelineClass | None,
    *,
    complete: bool = True,
) -> tuple[Input, ...]:
    """Reads the files of a request, in its order.

    Args:
        files: Roles and names.
        preset: With the pipeline that takes files of these roles.
        pipeline: That pipeline; None where its source cannot be read.
        complete: Whether these are all files; else further ones are named later.

    Raises:
        UsageError: A file cannot be read or is wrong; or the pipeline takes none in its role, or
            not so many, or lacks one.
    """
    taken = check_roles([role for role, _ in files], preset, pipeline, complete=complete)
    inputs = tuple(
        read_input(
            role, name, argument=taken[role], several_frames=takes_frames(taken[role], pipeline)
        )
        for role, name in files
    )
    for one in inputs:
        _check_frames(one, preset)
        if one.role == "mask":
            _check_mask(one, inputs)
    return inputs


def read_input(role: Role, name: File, *, argument: str, several_frames: bool) -> Input:
    """Reads a file and decodes it whole.

    Args:
        role: What it is for.
        name: As the user wrote it.
        argument: The argument of the pipeline's call that takes it.
        several_frames: Whether that takes a list of frames.

    Raises:
        UsageError: It cannot be read, or is no picture or video.
    """
    # libraries of pictures take a moment to import, and most runs start from none
    from chords_cli.pipelines.conditions.pictures import Medium, examine

    option, mask = option_of(role), role == "mask"
    shown = name if isinstance(name, str) else name.name
    path, data = read_file(option, name)
    try:
        content = examine(data, mask=mask)
    except UsageError as error:
        raise error.reworded(
            f"{{{option}:name}} {verbatim(shown)} {{message}}",
            error.hint.replace("FILE", verbatim(shlex.quote(shown))),
            {option: None},
        ) from error
    medium = Medium(
        sha256=hashlib.sha256(data).hexdigest(),
        mask=mask,
        several_frames=several_frames,
        data=data,
    )
    return Input(
        role=role,
        argument=argument,
        path=path,
        medium=medium,
        size=content.size,
        frames=content.frames,
        pace=content.pace,
        notes=tuple(f"{path.name} {note}" for note in content.notes),
    )


def _check_frames(one: Input, preset: Preset) -> None:
    """Refuses a video for a picture, and a picture that would be a video standing still."""
    if one.frames > 1 and not one.medium.several_frames:
        file = verbatim(shlex.quote(str(one.path)))
        raise UsageError(
            f"{{{one.option}:name}} {one.name} has {one.frames} frames, but {preset.name} takes a "
            "picture there",
            f"take one of them: ffmpeg -i {file} -frames:v 1 first.png",
            {one.option: None},
        )
    if one.frames == 1 and one.role == "video":
        raise UsageError(
            f"{{video:name}} {one.name} is a picture, but {preset.name} takes a video there",
            "name a video, or a model that starts from a picture",
            {"video": None},
        )


def _check_mask(mask: Input, inputs: Sequence[Input]) -> None:
    """Refuses a mask without what it masks, or of another size."""
    wanted: Role = "video" if mask.medium.several_frames else "image"
    masked = next((one for role in (wanted, "control") for one in inputs if one.role == role), None)
    if masked is None:
        raise UsageError(
            f"{{mask:name}} {mask.name} is given without what it masks",
            f"name that with {{{wanted}}}",
            {"mask": None, wanted: "FILE"},
        )
    names = {"mask": None, masked.option: None}
    both = f"{{mask:name}} {mask.name} %s, but {{{masked.option}:name}} {masked.name} %s"
    if mask.size != masked.size:
        raise UsageError(
            both % (f"is {mask.shape}", f"is {masked.shape}"),
            "make the mask as large as what it masks",
            names,
        )
    if mask.frames not in (1, masked.frames):
        raise UsageError(
            both % (f"has {mask.frames} frames", f"has {masked.frames}"),
            "make one mask for each frame, or one for all",
            names,
        )
