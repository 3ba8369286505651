"""From what a preset and the options say to a plan and a stop rule.

An explicit option wins over the preset: starts ask for the algorithm that has starts, rounds for
the one that is planned by rounds, one core for the sequential sampler where the preset has several,
and several for a parallel one where it is sequential. The starts of a preset belong to its own
number of steps and cores: when an option changes either, the starts are chosen anew.
"""

import math
from typing import TYPE_CHECKING, Literal

from chords_cli.errors import PlanError, UsageError
from chords_cli.sampler.plan import Plan, chords_plan, sequential_plan
from chords_cli.sampler.starts import default_init_t
from chords_cli.sampler.stop import StopRule
from chords_cli.sampler.wavefront import default_rounds, wavefront_plan

if TYPE_CHECKING:
    from chords_cli.presets import Preset

Starts = tuple[int, ...] | Literal["auto"]

ALGORITHMS = ("sequential", "chords", "wavefront")

MOST_STEPS = 10_000
"""Far more than any sampler takes; a plan of a million steps takes a while to make."""

MOST_CORES = 256
"""Far more than one machine has GPUs; a plan grows with cores times steps."""


def resolve_plan(
    preset: "Preset",
    *,
    steps: int | None = None,
    cores: int | None = None,
    algo: str | None = None,
    init_t: str | None = None,
    rounds: int | None = None,
    speedup: float | None = None,
) -> Plan:
    """The plan of `preset` under the given options; None means not said.

    Raises:
        PlanError: The options contradict each other or make no plan.
    """
    steps_used = preset.steps if steps is None else steps
    if steps_used > MOST_STEPS:
        raise PlanError(
            f"steps is {steps_used}, but a grid has at most {MOST_STEPS} steps", "try --steps 50"
        )
    if cores is not None and cores > MOST_CORES:
        raise PlanError(
            f"cores is {cores}, but a run has at most {MOST_CORES} cores", "try --cores 4"
        )
    starts: Starts = "auto" if init_t is None else parse_init_t(init_t)
    name = resolve_algo(preset, algo or asked_algo(init_t, rounds, speedup), cores)
    if name != "wavefront":
        _refuse_rounds(name, rounds, speedup)
    if name != "chords":
        _refuse_starts(name, starts)
    if name == "sequential":
        _check_sequential(cores)
        return sequential_plan(steps_used)
    if name == "wavefront":
        return _wavefront(preset, steps_used, cores, rounds, speedup)
    as_in_preset = cores in (None, preset.sampling.cores) and steps_used == preset.steps
    if init_t is None and as_in_preset:
        starts = preset.sampling.init_t
    if cores is None:
        cores = preset.sampling.cores if init_t is None or starts == "auto" else len(starts)
    return chords_plan(steps_used, _starts(steps_used, cores, starts))


def asked_algo(init_t: str | None, rounds: int | None, speedup: float | None) -> str | None:
    """The algorithm that takes what is said of the plan; None where nothing decides it.

    Raises:
        PlanError: Starts and rounds are both said, and no algorithm takes both.
    """
    if init_t is None:
        return None if rounds is None and speedup is None else "wavefront"
    for name, value in (("--rounds", rounds), ("--speedup", speedup)):
        if value is not None:
            raise PlanError(
                f"--init-t {init_t} and {name} {value:g} exclude each other",
                "give one of them: starts are for chords, rounds for wavefront",
            )
    return "chords"


def resolve_algo(preset: "Preset", asked: str | None = None, cores: int | None = None) -> str:
    """The algorithm's name, where `asked` for one or not, on so many cores if that is said.

    Raises:
        UsageError: Nobody knows it.
    """
    name = asked or preset.sampling.algo
    if name not in ALGORITHMS:
        raise UsageError(
            f"algo is {name!r}, but there are only {', '.join(ALGORITHMS)}", "try --algo wavefront"
        )
    if asked is None and cores == 1 and preset.sampling.cores > 1:
        return "sequential"
    if asked is None and cores is not None and cores > 1 and name == "sequential":
        return "wavefront"
    return name


def resolve_stop(
    preset: "Preset",
    cores: int,
    *,
    stop_index: int | None = None,
    stop_residual: float | None = None,
) -> StopRule:
    """Which output is the result, on `cores` cores.

    Raises:
        UsageError: Both options are given, or a value is out of range.
    """
    if stop_index is not None and stop_residual is not None:
        raise UsageError(
            f"--stop-index {stop_index} and --stop-residual {stop_residual:g} exclude each other",
            "give one of them",
        )
    if stop_index is not None:
        _check_stop_index(stop_index, cores)
        return StopRule("core_index", index=stop_index)
    if stop_residual is not None:
        if not (math.isfinite(stop_residual) and stop_residual > 0):
            raise UsageError(
                f"stop_residual is {stop_residual:g}, but a residual is finite and above 0",
                "try --stop-residual 0.05",
            )
        return StopRule("residual", residual=stop_residual)
    stop = preset.sampling.stop
    return StopRule(stop.criterion, index=min(stop.index, cores), residual=stop.residual)


def parse_init_t(text: str) -> Starts:
    """Reads `auto` or `0-8-16-32`.

    Raises:
        PlanError: It is neither.
    """
    if text == "auto":
        return "auto"
    parts = text.strip().split("-")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise PlanError(
            f"init_t {text!r} is not a list of whole numbers joined by dashes",
            "write one start a core, slowest first, as in 0-8-16-32",
        )
    return tuple(map(int, parts))


def _starts(steps: int, cores: int, starts: Starts) -> tuple[int, ...]:
    """The starts of `cores` cores, checked for their number."""
    default = default_init_t(steps, cores)
    if starts == "auto":
        return default
    if len(starts) != cores:
        shown = "-".join(map(str, starts))
        raise PlanError(
            f"init_t {shown} has {len(starts)} starts, but cores is {cores}",
            f"use --cores {len(starts)}, or leave out --cores or --init-t",
        )
    return starts


def _wavefront(
    preset: "Preset", steps: int, cores: int | None, rounds: int | None, speedup: float | None
) -> Plan:
    """The preset's rounds belong, as its starts do, to its own number of steps and cores."""
    as_in_preset = cores in (None, preset.sampling.cores) and steps == preset.steps
    cores = preset.sampling.cores if cores is None else cores
    if rounds is not None and speedup is not None:
        raise PlanError(
            f"--rounds {rounds} and --speedup {speedup:g} exclude each other", "give one of them"
        )
    if speedup is not None:
        rounds = _rounds_for(speedup, steps)
    if rounds is None and as_in_preset and preset.sampling.rounds != "auto":
        rounds = preset.sampling.rounds
    if rounds is None:
        rounds = default_rounds(max(1, steps), max(1, cores))
    return wavefront_plan(steps, cores, rounds)


def _rounds_for(speedup: float, steps: int) -> int:
    """The rounds in which `steps` steps are covered `speedup` times sooner."""
    if not (math.isfinite(speedup) and 1 <= speedup <= steps):
        raise PlanError(
            f"speedup is {speedup:g}, but {steps} steps can be from 1 to {steps} times sooner",
            "try --speedup 4",
        )
    return math.ceil(steps / speedup)


def _refuse_rounds(algo: str, rounds: int | None, speedup: float | None) -> None:
    for name, value in (("rounds", rounds), ("speedup", speedup)):
        if value is not None:
            raise PlanError(
                f"{name} is {value:g}, but algo {algo} is not planned by rounds",
                f"use --algo wavefront, or leave out --{name}",
            )


def _refuse_starts(algo: str, starts: Starts) -> None:
    if starts != "auto" and not (algo == "sequential" and starts == (0,)):
        raise PlanError(
            f"init_t {'-'.join(map(str, starts))} is set, but algo {algo} has no starts",
            "use --algo chords, or leave out --init-t",
        )


def _check_sequential(cores: int | None) -> None:
    if cores not in (None, 1):
        raise PlanError(
            f"cores is {cores}, but algo sequential runs on 1 core",
            "use --algo wavefront, or --cores 1",
        )


def _check_stop_index(index: int, cores: int) -> None:
    if not 0 <= index <= cores:
        raise UsageError(
            f"stop_index is {index}, but {cores} {'core makes' if cores == 1 else 'cores make'} "
            f"outputs 0 to {cores}",
            "try --stop-index 1",
        )
