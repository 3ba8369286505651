"""Several cores that share one device: whether core 0 is stock's, what they hold, their seconds.

The seconds are those of one device that does the work of all; they say nothing about separate ones.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

from benchmarks.gpu.cores import Notes, closeness, opened, sampled, stock_file
from benchmarks.gpu.models import PROMPT, SEED, Model
from benchmarks.gpu.predict import default_plan
from chords_cli.engine.latents import as_array
from chords_cli.engine.pool import Pool

ALGORITHMS = ("chords", "wavefront")

_A_CONTEXT = 1.5e9
"""Bytes of device memory that a process takes beside what torch counts, with some to spare."""


def measure(
    model: Model,
    work: Path,
    device: str,
    cores: int,
    held: int | None,
    notes: Notes,
    save: Callable[[], None],
) -> None:
    """Fills `notes`; `held` are the bytes of device memory of one core, where they are known."""
    notes |= {"cores": cores, "steps": model.few}
    lacking = _lacking(device, cores, held or int(model.gigabytes * 1.1e9))
    if lacking:
        notes["skipped"] = lacking
        return
    with opened(model, work / model.name, device, cores, decoder=0, notes=notes) as pool:
        save()
        sampled(pool, model, default_plan("chords", model.few, cores))  # a warm-up
        for algo in ALGORITHMS:
            notes[algo] = _sampled(pool, model, algo, cores, stock_file(work, model, model.few))
            save()


def split(
    model: Model, work: Path, device: str, held: int | None, notes: Notes, save: Callable[[], None]
) -> None:
    """One core of two processes that share the device: what a split step costs beside its work.

    Both halves of guidance wait for the same device, so a step takes as long as stock's and what
    the two say to each other; on two devices it would take half of that work.
    """
    notes |= {"members": 2, "steps": model.few}
    lacking = _lacking(device, 2, held or int(model.gigabytes * 1.1e9))
    if lacking:
        notes["skipped"] = lacking
        return
    folder, plan = work / model.name, default_plan("sequential", model.few, 1)
    with opened(model, folder, device, 1, decoder=0, notes=notes, members=2) as pool:
        save()
        sampled(pool, model, plan)  # a warm-up
        runs = [sampled(pool, model, plan) for _ in range(model.repeats)]
        latent = as_array(runs[-1].outputs[-1].latent)
        notes |= {
            "step": median(run.sample_seconds for run in runs) / model.few,
            "peak_memory": [list(peaks) for peaks in runs[-1].peak_memory],
            **closeness(latent, stock_file(work, model, model.few)),
        }
        save()


def command(model: Model, work: Path, device: str, notes: Notes) -> None:
    """The same by the real command line: `chords image` with a preset, two cores, all defaults."""
    preset, output = work / f"{model.name}.yaml", work / "command"
    preset.write_text(yaml.safe_dump(model.preset(str(work / model.name))))
    shutil.rmtree(output, ignore_errors=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "chords_cli", model.kind, PROMPT, "-m", str(preset)),
            *("-k", "2", "--stop-index", "2", "--seed", str(SEED), "--devices", device),
            *("--save-latents", "--json", "-o", str(output)),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise RuntimeError(lines[0] if lines else f"exit code {done.returncode}")
    record = json.loads(done.stdout)
    entry = record["prompts"][0]
    latent = output / Path(entry["outputs"][-1]["latent"]).name
    (values,) = load_file(latent).values()
    notes |= {
        "kind": model.kind,
        "steps": model.few,
        "seconds": record["seconds"],
        "prompt_seconds": entry["seconds"],
        "peak_memory": entry["peak_memory"],
        **closeness(values.float().numpy(), stock_file(work, model, model.few)),
    }


def _sampled(pool: Pool, model: Model, algo: str, cores: int, stock: Path) -> dict[str, Any]:
    plan = default_plan(algo, model.few, cores)
    runs = [sampled(pool, model, plan) for _ in range(model.shared_repeats)]
    last = runs[-1]
    return {
        "rounds": plan.rounds(),
        "repeats": len(runs),
        "evaluations": plan.nfe_run(plan.hits[-1].index),
        "seconds": median(run.sample_seconds for run in runs),
        "encode": median(run.encode_seconds for run in runs),
        "decode": median(run.decode_seconds for run in runs),
        "peak_memory": [list(peaks) for peaks in last.peak_memory],
        **closeness(as_array(last.outputs[-1].latent), stock),
    }


def _lacking(device: str, cores: int, held: int) -> str | None:
    """Why so many cores have no room on the device; None where they have."""
    if device == "cpu":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    needed = cores * (held + _A_CONTEXT)
    if needed <= free:
        return None
    return f"{cores} cores take {needed / 1e9:.0f} GB of {device}, {free / 1e9:.0f} GB are free"
