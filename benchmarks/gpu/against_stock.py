"""One core against stock diffusers, in turns on the same device.

Both load the same folder, stock in this process and the core in one of its own, as always. They
take turns, so that a device that grows warm and slow does so for both. The clock of both runs from
the end of `set_timesteps` until the final latent is there; nothing waits for the device between.
"""

import functools
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from benchmarks.gpu.cores import Notes, closeness, first_line, keep, opened, sampled, stock_file
from benchmarks.gpu.models import PROMPT, SEED, Model
from chords_cli.engine.latents import as_array, pack
from chords_cli.engine.messages import Latent
from chords_cli.engine.pool import Pool
from chords_cli.pipelines.load.reporting import report_loading
from chords_cli.sampler.plan import sequential_plan

_LEAST_REPEATS = 2


class Stock:
    """A stock pipeline whose loop is timed."""

    def __init__(self, model: Model, folder: Path, device: str) -> None:
        began = time.monotonic()
        self._model, self._device = model, device
        self._pipe = _loaded(model, folder, device)
        self._began = 0.0
        self._pipe.scheduler.set_timesteps = self._noting(self._pipe.scheduler.set_timesteps)
        self.load = time.monotonic() - began

    def sample(self, steps: int) -> tuple[float, Latent]:
        """Seconds of the loop, and the latent that it ends with."""
        made = self._pipe(
            prompt=PROMPT,
            **self._model.call,
            num_inference_steps=steps,
            output_type="latent",
            generator=torch.Generator("cpu").manual_seed(SEED),
            return_dict=False,
        )[0]
        _wait_for(self._device)
        return time.monotonic() - self._began, pack(made)

    def _noting(self, set_timesteps: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(set_timesteps)  # pipelines look at its signature
        def call(*args: Any, **kwargs: Any) -> None:
            set_timesteps(*args, **kwargs)
            _wait_for(self._device)
            self._began = time.monotonic()

        return call


def measure(model: Model, work: Path, device: str, notes: Notes, save: Callable[[], None]) -> None:
    """Fills `notes`; `save` is called whenever they hold more."""
    folder, core, stock = work / model.name, {}, {}
    notes |= {"steps": model.steps, "stock": stock, "core": core}
    with ExitStack() as stack:
        pool = _pool(stack, model, folder, device, core)
        save()
        pipe = Stock(model, folder, device)
        stock["load"] = pipe.load
        for steps in sorted({model.few, model.steps}):  # also warms up
            keep(pipe.sample(steps)[1], stock_file(work, model, steps))
        save()
        if pool:
            sampled(pool, model, sequential_plan(model.few))
        latent = _take_turns(pipe, pool, model, notes, save)
        if device != "cpu":
            stock["device_bytes"] = torch.cuda.max_memory_allocated(device)
        if latent is not None:
            core |= closeness(latent, stock_file(work, model, model.steps))
    if pool is None:
        raise RuntimeError(f"the core did not start: {core['failed']}")


def _pool(stack: ExitStack, model: Model, folder: Path, device: str, core: Notes) -> Pool | None:
    """The core's pool; None where it does not start, which is noted and does not stop stock."""
    try:
        return stack.enter_context(opened(model, folder, device, 1, decoder=0, notes=core))
    except Exception as error:  # noqa: BLE001  whatever it is, stock is measured all the same
        core["failed"] = first_line(error)
        return None


def _take_turns(
    stock: Stock, pool: Pool | None, model: Model, notes: Notes, save: Callable[[], None]
) -> np.ndarray | None:
    """Fills `notes` run by run; returns the core's last latent."""
    latent, steps, began = None, model.steps, time.monotonic()
    theirs: list[float] = []
    ours: list[float] = []
    encoded: list[float] = []
    decoded: list[float] = []
    for repeat in range(model.repeats):
        if repeat >= _LEAST_REPEATS and time.monotonic() - began > model.patience:
            break
        theirs.append(stock.sample(steps)[0] / steps)
        notes["repeats"] = len(theirs)
        notes["stock"] |= {"step": median(theirs), "all": list(theirs)}
        if pool:
            made = sampled(pool, model, sequential_plan(steps))
            ours.append(made.sample_seconds / steps)
            encoded.append(made.encode_seconds)
            decoded.append(made.decode_seconds)
            notes["core"] |= {
                "step": median(ours),
                "all": list(ours),
                "encode": median(encoded),
                "decode": median(decoded),
                "peak_memory": [list(peaks) for peaks in made.peak_memory],
            }
            pairs = zip(ours, theirs, strict=True)
            notes["core_over_stock"] = median(our / their for our, their in pairs)
            latent = as_array(made.outputs[made.chosen].latent)
        save()
    return latent


def _loaded(model: Model, folder: Path, device: str) -> DiffusionPipeline:
    report_loading(lambda *_: None)
    named = {name: part["dtype"] for name, part in model.components.items() if "dtype" in part}
    dtypes = {name: getattr(torch, dtype) for name, dtype in named.items()}
    pipe = DiffusionPipeline.from_pretrained(
        folder,
        dtype={**dtypes, "default": torch.bfloat16},
        local_files_only=True,
        device_map=None if device == "cpu" else torch.device(device).type,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _wait_for(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)
