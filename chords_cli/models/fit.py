"""Where a preset's model is on this machine, and whether the preset fits it, loading nothing.

What can be told depends on what is here: the source of the installed diffusers says what a
pipeline takes, and the repository, once it was fetched, what it holds.
"""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.hub import find_snapshot
from chords_cli.hub.repository import INDEX, components
from chords_cli.models.arguments import check_call
from chords_cli.models.diffusers_source import (
    PipelineClass,
    SchedulerClass,
    read_pipeline,
    read_scheduler,
)
from chords_cli.models.weights import SAVED, download_command, model_folder
from chords_cli.pipelines.load.spec import DENOISERS, TEXT_ENCODER
from chords_cli.pipelines.rules import check_loop, check_shareable
from chords_cli.presets.schema import Preset, Scheduler

Index = dict[str, Any]
"""What model_index.json holds."""


def check_model(preset: Preset, call: Mapping[str, Any]) -> None:
    """Accepts a preset that fits its model, as far as that can be told before it is loaded.

    A repository of the hub may not be here yet; what only it can tell is told when it is.

    Args:
        preset: Says what the model is, and what of it is set.
        call: The preset's arguments of the pipeline's call, under the options that change them.

    Raises:
        UsageError: The preset's folder holds no model, or the preset names what it has not, or
            the pipeline cannot be run so.
    """
    folder, pipeline = _folder(preset), read_pipeline(preset.pipeline)
    index = None if folder is None else _read_index(preset, folder)
    if pipeline is not None:
        check_loop(
            pipeline.name,
            named=pipeline.named,
            arguments=pipeline.arguments,
            components=pipeline.components,
        )
    if pipeline is not None and index is not None:
        _check_parts(preset, pipeline, index)
    _check_scheduler(preset, folder, index)
    if index is not None:
        _check_components(preset, list(components(index)))
    elif pipeline is not None:
        _check_components(preset, list(pipeline.components))
    if pipeline is not None:
        check_call(preset, call, pipeline)


def _folder(preset: Preset) -> Path | None:
    """Where the model is; None while what it says of itself is not on this machine."""
    if preset.path is not None:
        return model_folder(preset)
    folder = find_snapshot(str(preset.repo), preset.revision).folder
    return folder if folder is not None and (folder / INDEX).is_file() else None


def _read_index(preset: Preset, folder: Path) -> Index:
    try:
        index = _read(folder / INDEX)
        components(index)
    except (OSError, ValueError, AttributeError, IndexError) as error:
        again = SAVED if preset.path else f"fetch it again: {download_command(preset)}"
        raise UsageError(f"{folder / INDEX} cannot be read ({error})", again) from error
    return index


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _check_parts(preset: Preset, pipeline: PipelineClass, index: Index) -> None:
    """Refuses a pipeline for which the model has not the parts.

    That the model was saved from another pipeline alone is no error: several are made of the same
    parts. Their denoisers tell: it is by them that components of the same name differ.
    """
    held, own = components(index), str(index.get("_class_name", preset.pipeline))
    lacking = [name for name, must in pipeline.components.items() if must and name not in held]
    hint = f"write `pipeline: {own}` in the preset, or name a model that was made for this one"
    if lacking:
        raise UsageError(
            f"{pipeline.name} needs {', '.join(lacking)}, which {preset.source} has not", hint
        )
    try:
        made_for = read_pipeline(own) or pipeline
    except UsageError:  # a pipeline of another version of diffusers
        return
    for name in DENOISERS:
        wanted, given = pipeline.types.get(name), made_for.types.get(name)
        if wanted and given and not wanted & given:
            raise UsageError(
                f"{pipeline.name} needs a {' or '.join(sorted(wanted))} as its {name}, but "
                f"{preset.source} was made for {own}",
                hint,
            )


def _check_scheduler(preset: Preset, folder: Path | None, index: Index | None) -> None:
    """Refuses a scheduler that diffusers has not, that cores cannot share or that is set wrong."""
    said = preset.scheduler
    name = said.cls if said else components(index or {}).get("scheduler", ("", ""))[1]
    if not name:
        return
    cls, config = read_scheduler(name), {}
    if cls is not None and said is not None:
        _check_settings(said, cls)
    if folder is not None and (said is None or said.from_config):
        with suppress(OSError, ValueError):  # a core says why it cannot be read
            config = _read(folder / "scheduler" / "scheduler_config.json")
    settings = config | (said.args if said else {})
    check_shareable(name, order=cls.order if cls else 1, config=settings)


def _check_settings(said: Scheduler, cls: SchedulerClass) -> None:
    for key in said.args:
        if key not in cls.settings:
            raise UsageError(
                f"scheduler.args.{key} is not a setting of {cls.name}",
                f"{_near(key, cls.settings)}it has {', '.join(cls.settings)}",
            )
    if said.first_order and "solver_order" not in cls.settings:
        raise UsageError(
            f"scheduler.first_order is true, but {cls.name} has no order to lower",
            "remove first_order from the preset's scheduler",
        )


def _check_components(preset: Preset, known: Collection[str]) -> None:
    """Refuses names of components that the model does not have: nothing would come of them."""
    for section, name in _named_components(preset):
        if name not in known:
            raise UsageError(
                f"{section} names {name}, which {preset.pipeline} has not",
                f"{_near(name, known)}choose from {', '.join(known)}",
            )
    for name, options in preset.components.items():
        if options.offload == "always" and not name.startswith(TEXT_ENCODER):
            raise UsageError(
                f"components.{name}.offload is always, but only text encoders leave their device",
                f"remove offload from the preset's components.{name}",
            )


def _named_components(preset: Preset) -> Iterator[tuple[str, str]]:
    """Every component that the preset names, with the section that does."""
    quantized = (preset.quantization and preset.quantization.components) or ()
    sections: dict[str, Collection[str]] = {
        "components": preset.components,
        "parameters": preset.parameters,
        "quantization.components": quantized,
    }
    yield from ((section, name) for section, names in sections.items() for name in names)


def _near(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}? " if near else ""
