"""`chords presets`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chords_cli.cli.options import accepts
from chords_cli.errors import UsageError
from chords_cli.ui.console import Console

if TYPE_CHECKING:
    from chords_cli.presets.files import PresetFile
    from chords_cli.presets.schema import Preset


@accepts("name", "verify", "json")
def presets(name: str | None, verify: bool, json: bool) -> None:
    """List the models, or show one in full: settings, licence, size, downloaded or not.

    [bold]Examples[/bold]

    chords presets

    chords presets demo-image > my-model.yaml

    chords presets flux --verify
    """
    console = Console("json" if json else "human")
    if verify:
        _verify(console, name)
    elif name is None:
        _list(console)
    else:
        _show(console, name)


def _list(console: Console) -> None:
    from chords_cli.presets.files import available_presets
    from chords_cli.ui.views.presets import presets_table

    rows = [_listed(preset) for preset in available_presets()]
    if console.mode == "json":
        console.document(rows)
    else:
        console.show(presets_table([row for row in rows if "error" not in row]))
        for row in rows:
            if "error" in row:
                console.error(row["error"])


def _show(console: Console, name: str) -> None:
    from chords_cli.models.memory import preset_memory
    from chords_cli.presets.files import find_preset
    from chords_cli.ui.views.presets import preset_text

    preset = find_preset(name)
    facts = _facts(preset)
    whole = facts["weights"]["state"] == "complete"
    facts["memory"] = preset_memory(preset, Path(facts["weights"]["folder"]) if whole else None)
    if console.mode == "json":
        settings = preset.model_dump(mode="json", by_alias=True)
        console.document({**settings, **facts})
        return
    for line in preset_text(preset, facts).splitlines():
        console.line(line)


def _verify(console: Console, name: str | None) -> None:
    from chords_cli.presets.files import find_preset
    from chords_cli.runs.download.verify import verify
    from chords_cli.ui.views.download import verdict, verdicts_table

    if name is None:
        raise UsageError("--verify needs the name of a preset", "try chords presets flux --verify")
    preset = find_preset(name)
    record = verify(preset, lambda path, size: console.say(f"hashing {path}"))
    if console.mode == "json":
        console.document(record.document())
    else:
        console.show(verdicts_table(record))
        console.show(verdict(preset.name, record))
    if not record.intact:
        raise typer.Exit(1)


def _listed(file: "PresetFile") -> dict[str, Any]:
    """One row of the list; a preset that cannot be read says why."""
    from chords_cli.presets.files import load_preset

    row: dict[str, Any] = {"name": file.name, "file": str(file.file), "origin": file.origin}
    try:
        preset = load_preset(file.file)
    except UsageError as error:
        return {**row, "error": error.message}
    row |= {"title": preset.title, "kind": preset.kind, "source": preset.source}
    return {**row, "license": preset.license.model_dump(), **_facts(preset)}


def _facts(preset: "Preset") -> dict[str, Any]:
    """What a preset's file does not say: its default plan, and what lies on this machine."""
    from chords_cli.models.weights import find_weights
    from chords_cli.sampler.choice import resolve_plan, resolve_stop

    plan, weights = resolve_plan(preset.plan), find_weights(preset)
    index = resolve_stop(preset.stop, plan.cores).latest(plan)
    return {
        "plan": {
            "algo": plan.algo,
            "cores": plan.cores,
            "steps": plan.steps,
            "init_t": plan.init_t,
            "rounds": plan.rounds(index),
            "speedup": plan.speedup(index),
        },
        "weights": {
            "state": weights.state,
            "folder": str(weights.folder) if weights.folder else None,
            "bytes": weights.bytes,
        },
    }
