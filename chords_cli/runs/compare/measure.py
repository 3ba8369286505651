"""Runs the arms and times every run; arms that can share a model load it once.

Every run does all of its work, encoding included. The arms take turns, so that a machine that
becomes slower does so for all of them.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chords_cli.events import (
    Event,
    Listener,
    PromptDone,
    PromptStarted,
    RunResolved,
    per_core,
)
from chords_cli.models.denoisers.caches import cache_arguments
from chords_cli.records.run import SampleSeconds
from chords_cli.records.timeline import Timeline
from chords_cli.runs.compare.comparison import Comparison
from chords_cli.runs.compare.resolving import Arm
from chords_cli.runs.compare.timeline import timeline
from chords_cli.runs.generate.record import seconds_record
from chords_cli.runs.generate.run import pool_settings
from chords_cli.runs.outputs.files import endings
from chords_cli.runs.settings.layouts.capacity import fitting_folder
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.sampler.stop import StopRule

if TYPE_CHECKING:
    from chords_cli.engine.pool import Pool, PoolSettings, SampledOutput

Keep = Callable[[Arm, PlannedSample, "SampledOutput"], None]
"""Is called with the decoded result of an arm's first run of a sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One run of one sample.

    Attributes:
        seconds: The seconds of its phases; the total lasts until the picture has arrived.
        output: The output that is the result, with its latent.
        evaluations: Of the model in a row until then; fewer than rounds with a cache.
        nfe_total: The distinct evaluations of all cores until then (`Plan.nfe_total`).
        peak_memory: Per core the bytes on its device (None if that is the host) and on the host.
        timeline: What every core did when; only for the first sample.
        warnings: What the user has to know about the run.
    """

    arm: Arm
    sample: PlannedSample
    seconds: SampleSeconds
    output: "SampledOutput"
    evaluations: float
    nfe_total: int
    peak_memory: tuple[tuple[int | None, int], ...]
    timeline: Timeline | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """Arms that share one load of a model."""

    settings: "PoolSettings"
    arms: tuple[Arm, ...]


def shared_loads(comparison: Comparison) -> list[Shared]:
    """Groups the arms by what they load and on which devices.

    Raises:
        UsageError: A model is not on this machine.
    """
    loads: list[Shared] = []
    for arm in comparison.arms:
        settings = pool_settings(arm.settings, fitting_folder(arm.settings.demand))
        for number, load in enumerate(loads):
            if _can_share(settings, load.settings):
                loads[number] = Shared(_join(settings, load.settings), (*load.arms, arm))
                break
        else:
            loads.append(Shared(settings, (arm,)))
    return loads


def measure(
    comparison: Comparison, loads: Sequence[Shared], tell: Listener, keep: Keep
) -> Generator[Measured]:
    """Runs all arms and yields every measured run; loads a model once for all that share it."""
    from chords_cli.engine.pool import Pool

    total = len(comparison.arms) * len(comparison.samples) * comparison.request.repeat
    bench = _TestBench(comparison, total, tell, keep)
    for load in loads:
        with Pool(load.settings, bench.listen) as pool:
            for arm in load.arms:
                bench.warm_up(pool, arm)
            for repetition in range(comparison.request.repeat):
                for sample in comparison.samples:
                    for arm in load.arms:
                        yield bench.run(pool, arm, sample, first=repetition == 0)


class _TestBench:
    """Times runs and collects their events."""

    def __init__(self, comparison: Comparison, total: int, tell: Listener, keep: Keep) -> None:
        self._comparison, self._total, self._tell, self._keep = comparison, total, tell, keep
        self._number = 0
        self._events: list[Event] = []
        self._notes: set[str] = set()

    def listen(self, event: Event) -> None:
        self._events.append(event)
        self._tell(event)

    def warm_up(self, pool: "Pool", arm: Arm) -> None:
        """Runs an arm without measuring: to its preview, or to its end if runs are repeated."""
        settings, sample = arm.settings, self._comparison.samples[0]
        plan, stop = settings.plan, settings.stop
        if self._comparison.request.repeat == 1 and plan.hits[0].core in settings.decoders:
            stop = StopRule(index=0)
        self._turn_to(pool, arm, "warm-up of ")
        pool.sample(
            plan, settings.arguments | {"prompt": sample.prompt}, sample.seed, stop, again=True
        )

    def run(self, pool: "Pool", arm: Arm, sample: PlannedSample, *, first: bool) -> Measured:
        """Runs and measures an arm; keeps its result if it is the `first` run of the sample."""
        settings = arm.settings
        self._turn_to(pool, arm)
        self._number += 1
        began = PromptStarted(
            number=self._number, total=self._total, prompt=sample.prompt, seed=sample.seed
        )
        self._tell(began)
        decoded: list[float] = []

        def take_output(output: "SampledOutput") -> None:
            decoded.append(time.monotonic())
            if first:
                self._keep(arm, sample, output)

        call = settings.arguments | {"prompt": sample.prompt}
        start = time.monotonic()
        sampled = pool.sample(
            settings.plan, call, sample.seed, settings.stop, again=True, on_output=take_output
        )
        run_timeline = timeline(
            self._events,
            settings.plan,
            per_core(settings.devices, settings.members),
            began=start,
            decoded=decoded[0],
            chosen=sampled.chosen,
        )
        path = self._comparison.output / arm.file(sample, endings(settings)[0])
        self._tell(PromptDone(number=self._number, path=str(path), seconds=decoded[0] - start))
        return Measured(
            arm=arm,
            sample=sample,
            seconds=seconds_record(sampled, decoded[0] - start),
            output=sampled.outputs[sampled.chosen],
            evaluations=sampled.evaluated or sampled.outputs[sampled.chosen].round,
            nfe_total=settings.plan.nfe_total(sampled.chosen),
            peak_memory=sampled.peak_memory,
            timeline=run_timeline if sample.number == 1 else None,
            warnings=sampled.warnings,
        )

    def _turn_to(self, pool: "Pool", arm: Arm, what: str = "") -> None:
        """Makes the model the arm's own and announces what runs; tells every note once."""
        self._events.clear()
        settings, scheduler = arm.settings, arm.settings.preset.scheduler
        pool.follow(
            None if scheduler is None else scheduler.model_dump(by_alias=True),
            cache_arguments(settings.preset, settings.call),
        )
        notes = [line for line in (settings.note or "").splitlines() if line not in self._notes]
        self._notes.update(notes)
        self._tell(
            RunResolved(
                model=f"{settings.preset.title}, {what}{arm.name}",
                plan=settings.plan,
                stop=settings.stop,
                devices=settings.devices,
                members=settings.members,
                output=str(self._comparison.output),
                note="\n".join(notes) or None,
            )
        )


def _can_share(first: "PoolSettings", second: "PoolSettings") -> bool:
    """Tells whether one pool can do for both: the same model, the same devices in order.

    Each sample may have a scheduler and a cache of its own, but not another number of processes.
    """
    pairs = zip(first.devices, second.devices, strict=False)
    one, other = (replace(each.model, scheduler=None, cache=None) for each in (first, second))
    members = [(each.members, each.contexts) for each in (first, second)]
    alike = one == other and members[0] == members[1]
    return alike and all(a == b for a, b in pairs)


def _join(first: "PoolSettings", second: "PoolSettings") -> "PoolSettings":
    return replace(
        second,
        devices=max(first.devices, second.devices, key=len),
        decoders=first.decoders | second.decoders,
        timeout=max(first.timeout, second.timeout),
    )
