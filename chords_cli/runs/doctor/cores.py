"""Whether cores can work together: how their processes start, an exchange, and a step beside it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from chords_cli.engine.exchange.trials.trial import Trial
from chords_cli.engine.exchange.trials.trying import run_trial
from chords_cli.engine.start import START_VARIABLE, StartMethod, start_method
from chords_cli.events import CoreStepped, Event
from chords_cli.hub.cache import Weights
from chords_cli.models.inputs.tasks import starts_of
from chords_cli.presets.schema import Preset
from chords_cli.records.doctor import Check
from chords_cli.runs.doctor.checks import CORES, amount, span
from chords_cli.runs.doctor.latent_size import latent_elements
from chords_cli.runs.doctor.notes import PATIENCE, Notes
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.settings import Settings

SMALL = 1_000_000_000
"""Bytes of a model of which a few steps are measured: it loads in a moment."""

_STEPS = 5
_REPEATS = 9

_DEAR = 0.25
"""The part of a step that a hop may take without a word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a few steps of a model have shown: the seconds of one, and the numbers of its latent."""

    seconds: float
    elements: int
    device: str


def look(notes: Notes, preset: Preset, settings: Settings | None, weights: Weights) -> None:
    """Makes the checks of this file.

    Args:
        notes: Where they go.
        preset: The model.
        settings: Of a run with it; None if there can be none.
        weights: What is here of it.
    """
    places = settings.devices if settings else ()
    method = notes.value(CORES, "start", lambda: start_method(places)) if places else None
    if settings is None or method is None:
        notes.add(CORES.warn("exchange", "not tried, since no run is possible", "see above"))
        return
    notes.add(check_start(method))
    step, why = _try_step(notes, preset, weights, settings.devices[0])
    if why is not None:
        notes.add(check_step(preset, step, why))
    pair = neighbours(settings.devices)
    elements = step.elements if step else latent_elements(preset, settings.call, weights.folder)
    hop = notes.value(CORES, "exchange", lambda: measure_hop(pair, elements, method))
    if hop is not None:
        notes.add(check_exchange(pair, elements, hop, exact=step is not None))
        notes.add(check_hop(hop, step))


def _try_step(
    notes: Notes, preset: Preset, weights: Weights, device: str
) -> tuple[Step | None, str | None]:
    """Measures a step where that takes a moment; returns why it was not, None if it failed."""
    folder = weights.folder
    if weights.state != "complete" or folder is None:
        return None, f"{preset.name} is not on this machine"
    if weights.bytes > SMALL:
        return None, f"loading {amount(weights.bytes)} takes longer than this may"
    if any(start.required for start in starts_of(preset)):
        return None, f"{preset.name} starts from files, and none is at hand"
    step = notes.value(CORES, "step", lambda: measure_step(preset, folder, device))
    return step, None if step is None else ""


def check_start(method: StartMethod) -> Check:
    """Looks at how processes start."""
    if method.method == "fork":
        return CORES.ok("start", "fork: from a process that has imported torch and diffusers")
    if START_VARIABLE in (method.reason or ""):
        return CORES.ok("start", f"spawn: {method.reason}")
    return CORES.warn(
        "start",
        f"spawn: {method.reason}",
        "every core imports torch by itself; find what uses the device while it is imported",
    )


def measure_step(preset: Preset, folder: Path, device: str) -> Step:
    """Takes a few steps with the model on a device.

    Raises:
        ChordsError: It cannot be loaded, or a step fails.
    """
    from chords_cli.engine.pool import Pool
    from chords_cli.runs.generate.run import pool_settings

    steps = min(_STEPS, preset.steps)
    request = Request(
        kind=preset.kind,
        prompts=("-",),
        devices=device,
        algo="sequential",
        steps=steps,
        timeout=PATIENCE,
    )
    settings, times = resolve(request, preset=preset), list[float]()

    def hear(event: Event) -> None:
        if isinstance(event, CoreStepped):
            times.append(event.at)

    prompt, seed = settings.prompts[0], settings.samples[0].seed
    with Pool(pool_settings(settings, folder), hear) as pool:
        call = settings.call | {"prompt": prompt}
        sampled = pool.sample(settings.plan, call, seed, settings.stop)
    taken = [later - sooner for sooner, later in pairwise(times)]
    elements = math.prod(sampled.outputs[sampled.chosen].latent.shape)
    seconds = statistics.median(taken) if taken else sampled.sample_seconds
    return Step(seconds=seconds, elements=elements, device=device)


def check_step(preset: Preset, step: Step | None, why: str) -> Check:
    """Says what a step of the model takes, or `why` that was not measured."""
    if step is None:
        advice = f'chords compare "a fox" --model {preset.name} measures cores with it'
        return CORES.ok("step", f"not measured: {why}", advice)
    return CORES.ok("step", f"{span(step.seconds)} on {step.device}, one step of {preset.name}")


def neighbours(devices: Sequence[str]) -> tuple[str, str]:
    """Returns the devices of the first two cores of a run; both are one, where there is one."""
    first, second, *_ = (*dict.fromkeys(devices), devices[0])
    return first, second


def measure_hop(devices: tuple[str, str], elements: int, method: StartMethod) -> float:
    """Has two processes hand a latent on; returns the median of the seconds.

    Raises:
        ChordsError: They cannot.
    """
    trial = Trial(devices=devices, elements=elements, repeats=_REPEATS, patience=PATIENCE)
    return statistics.median(run_trial(trial, method.context).rounds)


def check_exchange(devices: tuple[str, str], elements: int, hop: float, *, exact: bool) -> Check:
    """Says how long a latent takes from one process to the next."""
    size = f"{'' if exact else 'about '}{amount(4 * elements)}"
    where = f"two processes on {devices[0]}"
    if devices[0] != devices[1]:
        where = f"a process on {devices[0]} and one on {devices[1]}"
    return CORES.ok(
        "exchange", f"{where} hand a latent of {size} on in {span(hop)}, median of {_REPEATS}"
    )


def check_hop(hop: float, step: Step | None) -> Check:
    """Compares a hop with a step: cores gain little where both take as long."""
    if step is None:
        return CORES.ok("hop", f"{span(hop)}; to be compared with a step, which was not measured")
    found = f"{span(hop)} is {hop / step.seconds:.1%} of a step of {span(step.seconds)}"
    if hop > _DEAR * step.seconds:
        return CORES.warn(
            "hop",
            f"{found}: cores lose that in every round",
            "larger pictures or models gain more; close what else uses this machine",
        )
    return CORES.ok("hop", found)
