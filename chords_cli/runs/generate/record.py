"""The record of a run: what was run and what came out, as one JSON document (`run.json`)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chords_cli
from chords_cli.media.files import write_file
from chords_cli.runs.outputs.environment import environment
from chords_cli.runs.outputs.recipe import SCHEMA, pixels, stop_document
from chords_cli.runs.outputs.saving import Saved
from chords_cli.runs.settings.resolve import Settings
from chords_cli.runs.settings.samples import PlannedSample

if TYPE_CHECKING:
    from chords_cli.engine.pool import Sampled

Entry = dict[str, Any]


def run_record(
    settings: Settings,
    entries: Sequence[Entry],
    *,
    components: Sequence[Sequence[str]] = (),
    start_method: dict[str, Any] | None = None,
    seconds: dict[str, float] | None = None,
) -> dict[str, Any]:
    """The record.

    Args:
        settings: What was run.
        entries: One for every sample (`sample_entry`), in order.
        components: Per core the names of the components that it loaded.
        start_method: How the processes started (`method`), and why they were not forked
            (`reason`).
        seconds: `start` (of the processes), `load` and `total`.
    """
    preset = settings.preset
    return {
        "schema": SCHEMA,
        "command": preset.kind,
        "version": chords_cli.__version__,
        "preset": preset.name,
        "repo": preset.repo,
        "path": None if preset.path is None else str(preset.path),
        "revision": preset.revision,
        "algo": settings.plan.algo,
        "cores": settings.plan.cores,
        "plan": plan_document(settings),
        "stop": stop_document(settings),
        "devices": list(settings.devices),
        "note": settings.note,
        "start_method": start_method,
        "dtype": settings.dtype,
        "settings": _settings_document(settings),
        "components": [list(names) for names in components],
        "prompts": list(entries),
        "seconds": seconds or {},
        "environment": environment(),
    }


def plan_document(settings: Settings) -> dict[str, Any]:
    """The plan in numbers, up to the result; with a residual rule at the latest, core 0's."""
    plan = settings.plan
    index = settings.stop.latest(plan)
    return {
        "steps": plan.steps,
        "init_t": list(plan.init_t or ()),
        **({"planned_rounds": plan.planned_rounds} if plan.planned_rounds else {}),
        "rounds": plan.rounds(index),
        "speedup": round(plan.speedup(index), 2),
        "nfe_total": plan.nfe_total(index),
        "nfe_run": plan.nfe_run(index),
    }


def sample_entry(
    sample: PlannedSample, sampled: "Sampled", files: dict[int, Saved], total: float
) -> Entry:
    """The record's entry of a finished sample; `files` by the index of the output."""
    return {
        "prompt": sample.prompt,
        "seed": sample.seed,
        "output": files[sampled.chosen].path,
        "rounds": sampled.outputs[sampled.chosen].round,
        "outputs": [
            {
                "index": output.index,
                "core": output.core,
                "round": output.round,
                "residual": output.residual,
                "seconds": round(output.seconds, 4),
                **_files_document(files.get(output.index)),
            }
            for output in sampled.outputs
        ],
        "seconds": {
            "encode": round(sampled.encode_seconds, 4),
            "sample": round(sampled.sample_seconds, 4),
            "decode": round(sampled.decode_seconds, 4),
            "total": round(total, 4),
        },
        "peak_memory": [list(peaks) for peaks in sampled.peak_memory],
    }


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Writes the record, complete or not at all, over an earlier one."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    write_file(path, f"{text}\n".encode(), replace=True)


def _files_document(saved: Saved | None) -> dict[str, Any]:
    """The names of an output's files; of one that was not kept, none."""
    if saved is None:
        return {"path": None, "latent": None, "extra": []}
    return {"path": saved.path, "latent": saved.latent, "extra": list(saved.extra)}


def _settings_document(settings: Settings) -> dict[str, Any]:
    """Every resolved setting."""
    return {
        **pixels(settings),
        "seed": settings.seed,
        "num": settings.num,
        "fps": settings.fps,
        "gif": settings.gif,
        "output": str(settings.output),
        "all_cores": settings.all_cores,
        "save_latents": settings.save_latents,
        "metadata": settings.metadata,
        "resume": settings.resume,
        "overwrite": settings.overwrite,
        "timeout": settings.timeout,
    }
