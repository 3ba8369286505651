"""Whether a pipeline takes the call that a preset and the options make up."""

import difflib
from collections.abc import Mapping
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import PipelineClass
from chords_cli.pipelines.rules import check_step_arguments
from chords_cli.presets.schema import Preset

_OPTIONS = {
    "width": "--width",
    "height": "--height",
    "num_frames": "--frames",
    "negative_prompt": "--negative-prompt",
}
"""Arguments that an option sets where the preset does not."""

_FRAMES = {"num_frames", "video_length", "frames"}
"""What pipelines that make videos call the number of their frames."""

_NUMBERS = {"int", "float", "bool"}


def check_call(preset: Preset, call: Mapping[str, Any], pipeline: PipelineClass) -> None:
    """Refuses a call that the pipeline would refuse, once it was loaded.

    Raises:
        UsageError: An argument is unknown, missing, of another kind, or makes steps draw noise, or
            the pipeline does not make what the preset says.
    """
    for name, value in call.items():
        if name not in pipeline.arguments:
            raise _unknown(preset, name, pipeline)
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
    """Refuses a video for one picture, and a whole video of which only a picture would be kept."""
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


def _unknown(preset: Preset, name: str, pipeline: PipelineClass) -> UsageError:
    if name not in preset.call:
        return UsageError(f"{pipeline.name} takes no {name}", f"leave out {_OPTIONS[name]}")
    near = difflib.get_close_matches(name, pipeline.arguments, n=1)
    return UsageError(
        f"call.{name} is not an argument of {pipeline.name}",
        f"did you mean {near[0]}?" if near else f"remove {name} from the preset's call",
    )


def _check_number(name: str, value: Any, types: frozenset[str]) -> None:
    """Refuses text and lists where the pipeline says that it takes nothing but numbers."""
    wanted = types - {"None", "Optional", "Union"}
    if not wanted or wanted - _NUMBERS or not isinstance(value, str | list):
        return
    kind = "true or false" if wanted == {"bool"} else "a number"
    raise UsageError(
        f"call.{name} is {value!r}, but must be {kind}", "correct it in the preset's call"
    )
