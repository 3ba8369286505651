"""`chords presets`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chords_cli.cli.options import accepts
from chords_cli.errors import UsageError
from chords_cli.ui.console import Console

if TYPE_CHECKING:
    from chords_cli.presets.files import PresetFile
    from chords_cli.presets.schema import Preset
    from chords_cli.records.presets import (
        Facts,
        PlanFacts,
        PresetRow,
        UnreadableRow,
        WeightsFacts,
    )


@accepts("name", "new", "verify", "json")
def presets(name: str | None, new: str | None, verify: bool, json: bool) -> None:
    """List the models, or show one in full: settings, licence, size, downloaded or not.

    [bold]Examples[/bold]

    chords presets

    chords presets demo-image > my-model.yaml

    chords presets --new Alpha-VLLM/Lumina-Image-2.0 > mine.yaml

    chords presets flux --verify
    """
    console = Console("json" if json else "human")
    if new is not None and (name is not None or verify):
        raise UsageError("--new stands alone", "name the repository after --new and nothing else")
    if verify:
        _verify(console, name)
    elif new is not None:
        _show_preset(console, new)
    elif name is None:
        _list_presets(console)
    else:
        _show_preset(console, name)


def _list_presets(console: Console) -> None:
    from chords_cli.presets.files import available_presets
    from chords_cli.records.presets import PresetRow, UnreadableRow
    from chords_cli.ui.views.presets import presets_view

    rows = [_make_row(file) for file in available_presets()]
    if console.mode == "json":
        console.document([row.document() for row in rows])
        return
    readable = [row for row in rows if isinstance(row, PresetRow)]
    for part in presets_view(readable, console.out.width):
        console.show(part)
    for row in rows:
        if isinstance(row, UnreadableRow):
            console.error(row.error)


def _show_preset(console: Console, name: str) -> None:
    from chords_cli.models.memory import preset_memory
    from chords_cli.models.repositories import find_model
    from chords_cli.records.presets import PresetFacts
    from chords_cli.records.run import CoreWeights
    from chords_cli.ui.views.presets import preset_text

    preset = find_model(name)
    found = _find_facts(preset)
    complete = found.weights.folder if found.weights.state == "complete" else None
    memory = preset_memory(preset, Path(complete) if complete else None)
    facts = PresetFacts(**dict(found), memory=tuple(CoreWeights(**core) for core in memory))
    if console.mode == "json":
        settings = preset.model_dump(mode="json", by_alias=True)
        console.document(settings | facts.document())
        return
    for line in preset_text(preset, facts).splitlines():
        console.line(line)


def _verify(console: Console, name: str | None) -> None:
    from chords_cli.models.repositories import find_model
    from chords_cli.runs.download.verify import verify
    from chords_cli.ui.views.download import verdict, verdicts_table

    if name is None:
        raise UsageError("--verify needs the name of a preset", "try chords presets flux --verify")
    preset = find_model(name)
    record = verify(preset, lambda path, size: console.say(f"hashing {path}"))
    if console.mode == "json":
        console.document(record.document())
    else:
        console.show(verdicts_table(record))
        console.show(verdict(preset.name, record))
    if not record.intact:
        raise typer.Exit(1)


def _make_row(file: "PresetFile") -> "PresetRow | UnreadableRow":
    """Reads a preset for the list."""
    from chords_cli.presets.files import load_preset
    from chords_cli.records.presets import LicenseFacts, PresetRow, UnreadableRow

    try:
        preset = load_preset(file.file)
    except UsageError as error:
        return UnreadableRow(
            name=file.name, file=str(file.file), origin=file.origin, error=error.message
        )
    return PresetRow(
        name=file.name,
        file=str(file.file),
        origin=file.origin,
        title=preset.title,
        kind=preset.kind,
        source=preset.source,
        license=LicenseFacts(**preset.license.model_dump()),
        **dict(_find_facts(preset)),
    )


def _find_facts(preset: "Preset") -> "Facts":
    """Finds out what is not in the preset's file."""
    from chords_cli.models.inputs.tasks import starts_of, tasks_of
    from chords_cli.records.presets import EIGHT, Facts, StartFacts
    from chords_cli.runs.settings.layouts.laying_out import usual_layout

    plan, layout = _resolve_plan(preset), usual_layout(preset, EIGHT)
    return Facts(
        tasks=tasks_of(preset),
        starts=tuple(StartFacts(**asdict(start)) for start in starts_of(preset)),
        plan=plan,
        layout=layout,
        cores_help=(layout or plan).rounds < plan.steps,
        weights=_find_weights(preset),
    )


def _resolve_plan(preset: "Preset") -> "PlanFacts":
    """Resolves the preset's own plan, as far as its result."""
    from chords_cli.records.presets import PlanFacts
    from chords_cli.sampler.choice import resolve_plan
    from chords_cli.sampler.stop import resolve_stop

    plan = resolve_plan(preset.plan)
    index = resolve_stop(preset.stop, plan.cores).latest(plan)
    return PlanFacts(
        algo=plan.algo,
        cores=plan.cores,
        steps=plan.steps,
        init_t=plan.init_t,
        rounds=plan.rounds(index),
        speedup=plan.speedup(index),
    )


def _find_weights(preset: "Preset") -> "WeightsFacts":
    """Looks for the preset's model on this machine."""
    from chords_cli.models.weights import find_weights
    from chords_cli.records.presets import WeightsFacts

    weights = find_weights(preset)
    folder = str(weights.folder) if weights.folder else None
    return WeightsFacts(state=weights.state, folder=folder, bytes=weights.bytes)
