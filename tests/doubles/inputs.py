"""Presets of pipelines that start from files, and what is said of files that are wrong."""

from collections.abc import Callable

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.presets.files import check_preset
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.reading import read_inputs

VIDEO = {
    "kind": "video",
    "fps": 16,
    "call": {"height": 48, "width": 64, "num_frames": 9, "num_inference_steps": 50},
    "limits": {"size_multiple": 16, "frames": {"multiple": 4, "offset": 1}},
}


def make_preset(pipeline: str, **said: object) -> Preset:
    """A preset called `mine` with a pipeline of diffusers."""
    base = {
        "name": "mine",
        "title": "Mine",
        "kind": "image",
        "path": "weights",
        "pipeline": pipeline,
        "call": {"height": 64, "width": 64, "num_inference_steps": 50},
        "limits": {"size_multiple": 16},
    }
    return check_preset(base | said, "mine.yaml")


def make_video_preset(pipeline: str, **said: object) -> Preset:
    return make_preset(pipeline, **(VIDEO | said))


def read(preset: Preset, *files: tuple[str, str]):
    return read_inputs(files, preset, read_pipeline(preset.pipeline))


def spelled(error: UsageError) -> tuple[str, str]:
    """Message and hint as the command line shows them; each is a line."""
    message, hint = error.spelled(as_option)
    assert "\n" not in message + hint
    assert hint
    return message, hint


def refusal(preset: Preset, *files: tuple[str, str]) -> tuple[str, str]:
    return refusal_of(lambda: read(preset, *files))


def refusal_of(check: Callable[[], object]) -> tuple[str, str]:
    """Message and hint with which it is refused."""
    with pytest.raises(UsageError) as caught:
        check()
    return spelled(caught.value)
