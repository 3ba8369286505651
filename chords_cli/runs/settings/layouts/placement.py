"""Decides which plan a run follows, on how many cores and devices, and what to say about it.

A preset's number of cores is an upper limit: a run uses that many only if there are as many
devices. More cores than devices give the same results no sooner, and each core takes memory, so the
user has to ask for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chords_cli.engine.devices import checked_devices
from chords_cli.engine.hosts.places import split_host
from chords_cli.engine.start import preload
from chords_cli.errors import UsageError
from chords_cli.presets.call import true_guidance, with_guidance
from chords_cli.presets.schema import Preset
from chords_cli.runs.settings.options.request import Request
from chords_cli.sampler.choice import DefaultPlan, resolve_plan
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule, resolve_stop


def plan_and_stop(request: Request, preset: Preset) -> tuple[Plan, StopRule]:
    """Returns the stop rule, and the plan as far as it is run.

    If every output is wanted and no stop option is given, the run goes on until core 0 arrives. A
    preset's number of cores is an upper limit, and so are the steps.
    """
    default = default_plan(preset, request.guidance)
    if request.steps is not None and 0 < request.steps < default.cores:
        default = replace(default, cores=request.steps)
    plan = resolve_plan(default, request.plan_choice)
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


def default_plan(preset: Preset, guidance: float | None) -> DefaultPlan:
    """Returns a preset's plan, for another guidance than its own if one is given."""
    if guidance is None:
        return preset.plan
    call = with_guidance(preset.call, guidance)
    return replace(preset.plan, guidance=true_guidance(preset.pipeline, call))


def at_most(
    cores: int, request: Request, preset: Preset, plan: Plan, stop: StopRule
) -> tuple[Plan, StopRule]:
    """Returns the plan and its stop rule for at most `cores` cores, one per device."""
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
    """Returns the devices to use; the engine refuses an empty name in `--devices`."""
    given = request.devices
    names = () if given is None else tuple(name.strip() for name in given.split(","))
    if starts:
        preload(preset.pipeline)
        import chords_cli.engine.pool  # noqa: F401  while that process imports what it needs
    own = checked_devices(names)
    return request.hosts.names(own) if request.hosts else own


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Which core runs on which device.

    Attributes:
        devices: One entry per process; they share devices in turn if there are fewer devices.
        note: What the user should know about it before anything loads; None if that is nothing.
    """

    devices: tuple[str, ...]
    note: str | None = None


def place(
    cores: int,
    devices: Sequence[str],
    *,
    wished: int,
    preset: str,
    members: int = 1,
    context: int = 1,
) -> Placement:
    """Places cores on devices.

    Args:
        cores: How many cores the run uses.
        devices: The devices to use, each once.
        wished: How many cores the run would use if there were a device for each of them.
        preset: The name of the preset that wishes for that many.
        members: How many devices a core takes.
        context: Among how many of them it shares tokens.
    """
    note, processes = None, cores * members
    if processes > len(devices):
        note = _say_shared(cores, devices, members, context)
    elif cores < wished:
        note = _say_fewer(
            cores, devices, wished=wished, preset=preset, members=members, context=context
        )
    shared = [devices[rank % len(devices)] for rank in range(processes)]
    hosts = [*dict.fromkeys(split_host(device)[0] for device in devices)]
    # neighbours on one host send nothing over the link
    placed = tuple(sorted(shared, key=lambda device: hosts.index(split_host(device)[0])))
    return Placement(devices=placed, note=note)


def _say_fewer(
    cores: int, devices: Sequence[str], *, wished: int, preset: str, members: int, context: int
) -> str:
    many = "1 core" if cores == 1 else f"{cores} cores"
    if context > 1:
        return (
            f"{many} on {members} devices each, which share every picture's tokens; {preset} takes "
            f"up to {wished} where there are devices for them"
        )
    if members > 1:
        return (
            f"{many} on {members} devices each, one for each half of guidance; {preset} takes up "
            f"to {wished}: --cores {wished} has them share devices"
        )
    if len(devices) == 1:
        return (
            f"1 core, because {devices[0]} is the only device; {preset} takes up to {wished}: "
            f"--cores {wished} has them share it"
        )
    return (
        f"{len(devices)} cores, one on each device; {preset} takes up to {wished}: "
        f"--cores {wished} has them share devices"
    )


def _say_shared(cores: int, devices: Sequence[str], members: int, context: int) -> str:
    most = -(-cores * members // len(devices))
    what = devices[0] if len(devices) == 1 else f"{len(devices)} devices, up to {most} on one"
    own = set(devices) != {"cpu"}  # where processes may share the pages of a file
    if members > 1:
        who = "the 2 halves of guidance" if context == 1 else f"the {members} members of a core"
        who = who if cores == 1 else f"{cores} cores with {members} processes each"
        return f"{who} share {what}" + (": each process holds its own weights" if own else "")
    weights = "; each holds its own weights" if own else ""
    return f"{cores} cores share {what}: the same results, but no sooner{weights}"
