"""The project's cores as they are measured here: a pool, and when its processes came and loaded."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.models import PROMPT, SEED, Model
from chords_cli.engine.latents import as_array
from chords_cli.engine.messages import Latent
from chords_cli.engine.pool import Pool, PoolSettings, Sampled
from chords_cli.events import CoreStarted, Event
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

Notes = dict[str, Any]
"""What a process has found so far, as it goes into the document."""


@contextmanager
def opened(
    model: Model,
    folder: Path,
    device: str,
    cores: int,
    *,
    decoder: int,
    notes: Notes,
    members: int = 1,
    contexts: int = 1,
    devices: tuple[str, ...] | None = None,
) -> Iterator[Pool]:
    """A pool of `cores` cores of `members` processes; notes `start` and `load`.

    They are on one device unless `devices` says otherwise. In seconds, as in a run's record:
    `start` until all processes are there, `load` from then until all are ready.
    """
    started = began = time.monotonic()

    def listen(event: Event) -> None:
        nonlocal started
        if isinstance(event, CoreStarted):
            started = max(started, event.at)

    settings = PoolSettings(
        model=ModelSpec(
            folder=str(folder),
            pipeline=model.pipeline,
            dtype="bfloat16",
            components=model.components,
        ),
        devices=devices or (device,) * (cores * members),
        decoders=frozenset({decoder}),
        members=members,
        contexts=contexts,
    )
    with Pool(settings, listen) as pool:
        notes["start"], notes["load"] = started - began, time.monotonic() - started
        yield pool


def sampled(pool: Pool, model: Model, plan: Plan) -> Sampled:
    """One sample to core 0's output, the prompt encoded anew."""
    call = {"prompt": PROMPT, **model.call, "num_inference_steps": plan.steps}
    stop = StopRule("core_index", index=plan.hits[-1].index)
    return pool.sample(plan, call, SEED, stop, again=True)


def closeness(latent: np.ndarray, file: Path) -> Notes:
    """Whether `latent` is stock's, kept in `file`, bit for bit, and else how far off (RMS)."""
    if not file.exists():
        return {"equals_stock": None}
    stock = np.load(file)
    if stock.size != latent.size:
        return {"equals_stock": False, "shapes": [list(latent.shape), list(stock.shape)]}
    gap = latent.astype(np.float64).ravel() - stock.ravel()
    # float32 holds every half precision exactly, so equal values are equal bits
    return {"equals_stock": not gap.any(), "rms_to_stock": float(np.sqrt(np.mean(gap**2)))}


def keep(latent: Latent, file: Path) -> None:
    """Keeps stock's latent for `closeness`."""
    np.save(file, as_array(latent))


def stock_file(work: Path, model: Model, steps: int) -> Path:
    return work / f"stock-{model.name}-{steps}.npy"


def first_line(error: Exception) -> str:
    """What an error is and says first."""
    return f"{type(error).__name__}: {(str(error).strip() or 'nothing said').splitlines()[0]}"
