"""Checks that a model's scheduler, or the preset's own, can be shared by cores, without loading it.

The settings are those of the configuration beside the model, under those of the preset; what
neither names has the default of the class, which diffusers' source tells.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.hub.repository import components
from chords_cli.models.diffusers_source import PipelineClass, SchedulerClass, read_scheduler
from chords_cli.pipelines.load.spec import Index
from chords_cli.pipelines.rules import (
    check_clipping,
    check_first_order,
    check_grid,
    check_shareable,
    did_you_mean,
)
from chords_cli.presets.parts import Scheduler
from chords_cli.presets.schema import Preset


def check_scheduler(
    preset: Preset,
    folder: Path | None,
    index: Index,
    steps: int | None,
    pipeline: PipelineClass | None,
) -> None:
    """Refuses a scheduler that does not exist, that cores cannot share, or with wrong settings.

    Args:
        preset: May name a scheduler.
        folder: The model's; None while it is not on this machine.
        index: Its model_index.json; empty while that is not on this machine.
        steps: The number of steps of the grid; None where the call brings a grid of its own.
        pipeline: What its pipeline is, as far as that is known.

    Raises:
        UsageError: It cannot work.
    """
    found = find_scheduler(preset, folder, index)
    if found is None:
        return
    name, cls, settings = found
    check_shareable(name, order=cls.order if cls else 1, config=settings)
    check_grid(name, settings, steps)
    if pipeline and cls and (lacks := lacking_noise(pipeline, cls)):
        raise UsageError(lacks, "choose another scheduler for the preset, or none")


def lacking_noise(pipeline: PipelineClass, scheduler: SchedulerClass) -> str | None:
    """Says that a pipeline adds noise to a picture in a way that a scheduler does not know."""
    if lacks := sorted(pipeline.noises - scheduler.methods):
        return f"{pipeline.name} asks for {lacks[0]}, which {scheduler.name} does not have"
    return None


def check_linear(preset: Preset, folder: Path | None, index: Index) -> None:
    """Refuses a scheduler whose steps are not linear; the arguments are those of `check_scheduler`.

    Raises:
        UsageError: It clips what the model predicts.
    """
    if found := find_scheduler(preset, folder, index):
        check_clipping(found[0], found[2])


def find_scheduler(
    preset: Preset, folder: Path | None, index: Index
) -> tuple[str, SchedulerClass | None, Mapping[str, Any]] | None:
    """Returns the name, the class and the settings of a model's scheduler, as far as known."""
    given = preset.scheduler
    name = given.cls if given else components(index).get("scheduler", ("", ""))[1]
    if not name:
        return None
    cls = read_scheduler(name)
    if cls is not None and given is not None:
        _check_settings(given, cls)
    config = _config(folder) if given is None or given.from_config else {}
    settings = (config or {}) | (given.args if given else {})
    if cls is not None and config is not None:  # else the defaults may not be what is used
        settings = {key: settings.get(key, default) for key, default in cls.settings.items()}
    return name, cls, settings


def _config(folder: Path | None) -> dict[str, Any] | None:
    """Returns the settings beside the model; None where they are missing or cannot be read."""
    if folder is None:
        return None
    file = folder / "scheduler" / "scheduler_config.json"
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # a core reports why
        return None


def _check_settings(given: Scheduler, cls: SchedulerClass) -> None:
    """Refuses settings that the scheduler's class does not have."""
    for key in given.args:
        if key not in cls.settings:
            raise UsageError(
                f"scheduler.args.{key} is not a setting of {cls.name}",
                f"{did_you_mean(key, cls.settings)}it has {', '.join(cls.settings)}",
            )
    if given.first_order:
        check_first_order(cls.name, cls.settings)
