"""What a run would do: its record, its files and the memory of its weights; nothing is loaded."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chords_cli.engine.devices import device_memory
from chords_cli.errors import ChordsError
from chords_cli.models.memory import estimate_memory
from chords_cli.models.weights import model_folder
from chords_cli.runs.generate.record import Entry, run_record
from chords_cli.runs.generate.resume import RECORD, Earlier
from chords_cli.runs.generate.run import prepare
from chords_cli.runs.outputs.saving import planned_names
from chords_cli.runs.settings.request import Request
from chords_cli.runs.settings.resolve import Settings
from chords_cli.runs.settings.samples import PlannedSample


def dry_run(request: Request) -> dict[str, Any]:
    """The record that a run would begin with, its files and the memory of its weights.

    Nothing is loaded, started or written.

    Raises:
        UsageError: The request cannot be done.
    """
    prepared = prepare(request)
    settings, earlier = prepared.settings, prepared.earlier
    left = [sample for sample in settings.samples if sample.number not in earlier.done]
    names = [name for sample in left for name in planned_names(settings, sample)]
    entries = [_planned_entry(settings, sample, earlier) for sample in settings.samples]
    return {
        **run_record(settings, entries),
        "dry_run": True,
        "files": [str(settings.output / name) for name in (*names, RECORD)],
        "memory": _memory(settings),
    }


def _planned_entry(settings: Settings, sample: PlannedSample, earlier: Earlier) -> Entry:
    done = earlier.done.get(sample.number)
    return {
        "prompt": sample.prompt,
        "seed": sample.seed,
        "output": done["output"] if done else planned_names(settings, sample)[0],
        "done": done is not None,
    }


def _memory(settings: Settings) -> dict[str, Any]:
    """The estimate by core and by device, beside what each device has.

    From the files or, where they are not here, from what the preset tells.
    """
    source, folder = "files", None
    try:
        folder = model_folder(settings.preset)
    except ChordsError:
        source = "configuration"
    try:
        cores = _by_core(settings, folder)
    except (OSError, ValueError) as error:
        devices = by_device(settings, [])
        return {"cores": [], "devices": devices, "source": source, "unknown": str(error)}
    unknown = None if cores else "the weights are not here and the preset tells no parameters"
    devices = by_device(settings, cores)
    return {"cores": cores, "devices": devices, "source": source, "unknown": unknown}


def _by_core(settings: Settings, folder: Path | None) -> list[dict[str, Any]]:
    """The estimate of every core, with its device."""
    cores = estimate_memory(
        settings.preset, settings.dtype, settings.plan.cores, settings.decoders, folder
    )
    return [core | {"device": settings.devices[core["core"]]} for core in cores]


def by_device(settings: Settings, cores: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per device its cores, the bytes of their weights in all, and what memory it has.

    Args:
        settings: Where the cores run.
        cores: What is known of each; the bytes are None where that is nothing.
    """
    memory = device_memory(settings.devices)
    estimate = []
    for device, has in memory.items():
        held = [core for core, place in enumerate(settings.devices) if place == device]
        size = sum(cores[core]["bytes"] for core in held) if cores else None
        estimate.append({"device": device, "cores": held, "bytes": size, **asdict(has)})
    return estimate
