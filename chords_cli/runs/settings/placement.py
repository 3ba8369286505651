"""Which plan a run follows, on how many cores and on which devices, and what to say about them.

A preset's number of cores is a wish: as many as it names where there are as many devices. More
cores than devices give the same results no sooner and take memory for each, so they have to be
asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chords_cli.engine.devices import checked_devices
from chords_cli.engine.start import preload
from chords_cli.errors import UsageError
from chords_cli.presets.schema import Preset
from chords_cli.runs.settings.request import Request
from chords_cli.sampler.choice import resolve_plan, resolve_stop
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule


def plan_and_stop(request: Request, preset: Preset) -> tuple[Plan, StopRule]:
    """Returns the plan as far as it is run, and the stop rule.

    With every output wanted and no stop option given, the run goes on to core 0's arrival.
    """
    plan = resolve_plan(preset.plan, request.plan_choice)
    stop = resolve_stop(
        preset.stop, plan.cores, stop_index=request.stop_index, stop_residual=request.stop_residual
    )
    if plan.algo == "sequential" and request.stop_residual is not None:
        raise UsageError(
            f"stop_residual is {request.stop_residual:g}, but algo sequential has its result at "
            "its last step",
            "use {algo}, or leave out {stop_residual}",
            {"algo": "wavefront", "stop_residual": None},
        )
    if plan.algo == "sequential" and request.stop_index is None:
        stop = StopRule("core_index", index=1)
    if stop.fixed is None or (request.all_cores and request.stop_index is None):
        return plan, stop
    return plan.until(stop.fixed), stop


def at_most(
    cores: int, request: Request, preset: Preset, plan: Plan, stop: StopRule
) -> tuple[Plan, StopRule]:
    """Returns the plan and its stop rule on no more than `cores` cores, one for each device."""
    if plan.cores <= cores:
        return plan, stop
    try:
        return plan_and_stop(replace(request, cores=cores), preset)
    except UsageError as error:
        there = "is 1 device" if cores == 1 else f"are {cores} devices"
        raise error.reworded(
            f"{{message}}; there {there}",
            "add {cores}: cores may share devices",
            {"cores": plan.cores},
        ) from error


def find_devices(request: Request, preset: Preset, *, starts: bool) -> tuple[str, ...]:
    """Returns the devices to use; an empty name in `--devices` stays, for the engine to refuse."""
    given = request.devices
    names = () if given is None else tuple(name.strip() for name in given.split(","))
    if starts and set(names) != {"cpu"}:
        preload(preset.pipeline)
    return checked_devices(names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Which core runs where.

    Attributes:
        devices: One entry a core; cores share devices round robin where there are fewer.
        note: What the user should know of it before anything loads; None where that is nothing.
    """

    devices: tuple[str, ...]
    note: str | None = None


def place(cores: int, there: Sequence[str], *, wished: int, preset: str) -> Placement:
    """Lays `cores` cores on the devices `there`.

    Args:
        cores: How many the run takes.
        there: The devices to use, each once.
        wished: How many the run would take if there were a device for each.
        preset: Whose wish that is.
    """
    devices = tuple(there[core % len(there)] for core in range(cores))
    note = None
    if cores < wished:
        note = _fewer(there, wished=wished, preset=preset)
    elif cores > len(there):
        note = _shared(cores, there)
    return Placement(devices=devices, note=note)


def _fewer(there: Sequence[str], *, wished: int, preset: str) -> str:
    if len(there) == 1:
        return (
            f"1 core, because {there[0]} is the only device; {preset} takes up to {wished}: "
            f"--cores {wished} has them share it"
        )
    return (
        f"{len(there)} cores, one on each device; {preset} takes up to {wished}: "
        f"--cores {wished} has them share devices"
    )


def _shared(cores: int, there: Sequence[str]) -> str:
    most = -(-cores // len(there))
    what = there[0] if len(there) == 1 else f"{len(there)} devices, up to {most} on one"
    return (
        f"{cores} cores share {what}: the same results, but no sooner; each holds its own weights"
    )
