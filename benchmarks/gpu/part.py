"""One section's own process: does its part, and keeps what it has found in a file."""

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.cores import Notes, first_line
from benchmarks.gpu.models import Model, models
from chords_cli.pipelines.load.reporting import set_environment

_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy")


def main(told: str) -> None:
    """Does what `sections` has told; the exit code says whether it worked."""
    message = json.loads(told)
    section, settings, file = message["section"], message["settings"], Path(message["file"])
    notes: Notes = {}

    def save() -> None:
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(notes))
        fresh.replace(file)

    set_environment()
    try:
        _do(section, settings, notes, save)
    except Exception as error:
        notes["failed"] = first_line(error)
        save()
        raise
    save()


def _do(section: Notes, settings: Notes, notes: Notes, save: Any) -> None:
    device, work = settings["device"], Path(settings["work"])
    if section["part"] == "machine":
        notes |= machine(device)
        return
    model = models(tiny=settings["tiny"])[section["model"]]
    if section["part"] == "build":
        _build(model, device, work, notes)
    elif section["part"] == "against_stock":
        from benchmarks.gpu import against_stock

        against_stock.measure(model, work, device, notes, save)
    elif section["part"] == "apart":
        from benchmarks.gpu import apart

        whole = _of_one_core(work, model, "step")
        apart.measure(model, work, device, section["contexts"], whole, notes, save)
    else:
        from benchmarks.gpu import sharing

        peaks = _of_one_core(work, model, "peak_memory")
        held = peaks[0][0] if peaks else None
        if section["part"] == "command":
            sharing.command(model, work, device, notes)
        elif section["part"] == "split":
            sharing.split(model, work, device, held, notes, save)
        else:
            sharing.measure(model, work, device, section["cores"], held, notes, save)


def _build(model: Model, device: str, work: Path, notes: Notes) -> None:
    import torch

    from benchmarks.gpu import networks

    began = time.monotonic()
    notes["parameters"] = networks.build(model, device, work / model.name)
    files = (file for file in (work / model.name).rglob("*") if file.is_file())
    notes["bytes"] = sum(file.stat().st_size for file in files)
    notes["seconds"] = time.monotonic() - began
    if device != "cpu":
        notes["device_bytes"] = torch.cuda.max_memory_allocated(device)


def _of_one_core(work: Path, model: Model, key: str) -> Any:
    """What was measured of one core, if it was."""
    try:
        notes = json.loads((work / f"{model.name}-against-stock.json").read_text())
        return notes["core"][key]
    except (OSError, KeyError):
        return None


def machine(device: str) -> Notes:
    """Hardware and versions, after a first sum on the device."""
    import torch

    import chords_cli

    torch.ones(1, device=device).sum().item()
    notes: Notes = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "device": device,
        "cpus": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "versions": {
            "chords": chords_cli.__version__,
            "python": platform.python_version(),
            "cuda": torch.version.cuda,
            **{name: _version(name) for name in _LIBRARIES},
        },
    }
    if device != "cpu":
        about = torch.cuda.get_device_properties(device)
        free, total = torch.cuda.mem_get_info(device)
        notes |= {"name": about.name, "free": free, "total": total, "driver": _driver()}
    return notes


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver() -> str | None:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next(iter(told.split()), None)
