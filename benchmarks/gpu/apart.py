"""One core on several GPUs: how much sooner a step is done by halves of guidance, or by tokens.

Everything else here is one device; without more of them these sections are skipped with a word.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from benchmarks.gpu.cores import Notes, closeness, opened, sampled, stock_file
from benchmarks.gpu.models import Model
from benchmarks.gpu.predict import default_plan
from chords_cli.engine.latents import as_array
from chords_cli.pipelines.load.spec import BRANCHES


def measure(
    model: Model,
    work: Path,
    device: str,
    contexts: int,
    whole: float | None,
    notes: Notes,
    save: Callable[[], None],
) -> None:
    """Fills `notes`; `whole` is how long a step takes one core on one device, if it is known."""
    members = contexts if contexts > 1 else BRANCHES
    notes |= {"members": members, "contexts": contexts, "steps": model.few}
    devices = _devices(device, members)
    if len(devices) < members:
        notes["skipped"] = f"it takes {members} CUDA devices, and torch sees {len(devices)}"
        return
    folder, plan = work / model.name, default_plan("sequential", model.few, 1)
    with opened(
        model,
        folder,
        device,
        1,
        decoder=0,
        notes=notes,
        members=members,
        contexts=contexts,
        devices=devices,
    ) as pool:
        save()
        sampled(pool, model, plan)  # a warm-up
        runs = [sampled(pool, model, plan) for _ in range(model.repeats)]
    step = median(run.sample_seconds for run in runs) / model.few
    notes |= {
        "devices": devices,
        "step": step,
        "gain": whole / step if whole else None,
        "peak_memory": [list(peaks) for peaks in runs[-1].peak_memory],
        **closeness(as_array(runs[-1].outputs[-1].latent), stock_file(work, model, model.few)),
    }
    save()


def _devices(device: str, count: int) -> tuple[str, ...]:
    """The device and others of its kind, as far as there are so many; the CPU as often."""
    if device == "cpu":
        return (device,) * count
    others = (f"cuda:{number}" for number in range(torch.cuda.device_count()))
    return (device, *(other for other in others if other != device))[:count]
