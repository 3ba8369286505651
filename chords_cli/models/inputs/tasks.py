"""What a model does, and which files it starts from: what its preset and its pipelines tell."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.models.inputs.roles import taken_roles
from chords_cli.presets.roles import Role
from chords_cli.presets.schema import Preset

Task = Literal[
    "text to image",
    "editing",
    "image to image",
    "inpainting",
    "control",
    "text to video",
    "image to video",
    "video to video",
]

_BY_TEXT: dict[str, Task] = {"image": "text to image", "video": "text to video"}
"""What a model of a kind does that needs no file."""

_BY_FILE: dict[tuple[str, Role], Task] = {
    ("image", "control"): "control",
    ("image", "mask"): "inpainting",
    ("image", "image"): "editing",
    ("video", "video"): "video to video",
    ("video", "last-image"): "image to video",
    ("video", "image"): "image to video",
}
"""What a model of a kind does with a file, those first that say more about it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Files of a role that a model starts from.

    Attributes:
        required: Whether nothing can be made without one.
        several: Whether several are parts of one result.
        pipeline: The class that takes them; None for the preset's own.
    """

    role: Role
    required: bool = False
    several: bool = False
    pipeline: str | None = None


def starts_of(preset: Preset) -> tuple[Start, ...]:
    """Returns the files that a model starts from: those that it needs, then those that it takes.

    A preset that has rules names all that are useful; else the pipeline's arguments tell.
    """
    starts = [
        Start(role=role, required=rule.required, several=rule.several)
        for role, rule in preset.inputs.items()
    ]
    arguments = {} if starts else _arguments(preset.pipeline)
    for role, name in taken_roles(arguments, {}).items():
        starts.append(Start(role=role, required=arguments[name]))
    for role, variant in preset.variants.items():
        several = role in variant.inputs and variant.inputs[role].several
        starts.append(Start(role=role, several=several, pipeline=variant.pipeline))
    return tuple(sorted(starts, key=lambda start: not start.required))


def tasks_of(preset: Preset) -> tuple[Task, ...]:
    """Returns what a model does; the first is what it was made for."""
    starts = starts_of(preset)
    needed = tuple(start for start in starts if start.required)
    with_files = list(dict.fromkeys(_with(preset.kind, needed or starts)))
    if preset.adapters:
        return ("control",)
    if needed:
        return tuple(with_files[:1])
    own = {start.role for start in starts if start.pipeline is None}
    by_text = [_BY_TEXT[preset.kind]]
    tasks = with_files + by_text if "video" in own else by_text + with_files
    return tuple(tasks)


def _with(kind: str, starts: Sequence[Start]) -> Iterator[Task]:
    """Yields what a model of a kind does with files, the most specific first.

    Several pictures are no frames of a video, but show what is in it.
    """
    for (of, role), task in _BY_FILE.items():
        for start in starts:
            if (of, role) == (kind, start.role) and not (kind == "video" and start.several):
                yield "image to image" if task == "editing" and start.pipeline else task


def _arguments(pipeline: str) -> Mapping[str, bool]:
    """Returns the arguments of a pipeline's call, as far as they are known."""
    with suppress(UsageError):  # a pipeline of another version of diffusers
        if found := read_pipeline(pipeline):
            return found.arguments
    return {}
