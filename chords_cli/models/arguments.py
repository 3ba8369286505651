"""Checks the call that preset and options make up against what the pipeline takes."""

from collections.abc import Mapping
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import PipelineClass
from chords_cli.pipelines.rules import check_step_arguments, did_you_mean
from chords_cli.presets.schema import Preset

_FRAMES = {"num_frames", "video_length", "frames"}
"""The names that pipelines give to the number of frames of their videos."""

_NUMBERS = {"int", "float", "bool"}


def check_call(
    preset: Preset, call: Mapping[str, Any], pipeline: PipelineClass, options: Mapping[str, str]
) -> None:
    """Refuses a call that the pipeline would refuse once it is loaded.

    Args:
        preset: Says what the model is.
        call: The preset's arguments, under the options that change them.
        pipeline: What the call is for.
        options: The options that set arguments, by the argument.

    Raises:
        UsageError: An argument is unknown, missing, of another type, or makes steps draw noise, or
            the pipeline makes pictures where the preset says videos, or the other way round.
    """
    for name, value in call.items():
        if name not in pipeline.arguments:
            raise _unknown(preset, name, pipeline, options.get(name, name))
        _check_number(name, value, pipeline.types[name])
    missing = [
        name
        for name, needed in pipeline.arguments.items()
        if needed and name != "prompt" and name not in call
    ]
    if missing:
        raise UsageError(
            f"{pipeline.name} needs {' and '.join(missing)} beside the prompt",
            "name a pipeline that needs a prompt alone, or add it to the preset's call",
        )
    check_step_arguments(call)
    _check_kind(preset, call, pipeline)


def _check_kind(preset: Preset, call: Mapping[str, Any], pipeline: PipelineClass) -> None:
    """Refuses a pipeline of pictures for videos, and one of videos for more than one frame."""
    frames = next(iter(sorted(_FRAMES & pipeline.arguments.keys())), None)
    if preset.kind == "video" and frames is None:
        raise UsageError(
            f"kind is video, but {pipeline.name} makes pictures",
            "write `kind: image`, without fps, in the preset",
        )
    if preset.kind == "image" and frames is not None and call.get(frames) != 1:
        raise UsageError(
            f"kind is image, but {pipeline.name} makes videos",
            f"write `kind: video` and fps in the preset, or `{frames}: 1` in its call",
        )


def _unknown(preset: Preset, name: str, pipeline: PipelineClass, option: str) -> UsageError:
    """Returns the error for an argument, from the preset or from an option, that does not exist."""
    if name not in preset.call:
        return UsageError(
            f"{pipeline.name} takes no {name}", f"leave out {{{option}}}", {option: None}
        )
    near = did_you_mean(name, pipeline.arguments).strip()
    return UsageError(
        f"call.{name} is not an argument of {pipeline.name}",
        near or f"remove {name} from the preset's call",
    )


def _check_number(name: str, value: Any, types: frozenset[str]) -> None:
    """Refuses text and lists for an argument that the pipeline annotates as a number."""
    wanted = types - {"None", "Optional", "Union"}
    if not wanted or wanted - _NUMBERS or not isinstance(value, str | list):
        return
    kind = "true or false" if wanted == {"bool"} else "a number"
    raise UsageError(
        f"call.{name} is {value!r}, but must be {kind}", "correct it in the preset's call"
    )
