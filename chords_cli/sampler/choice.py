"""From how a plan is asked for, by a preset and by options, to a plan.

An explicit option wins over the preset: starts ask for the algorithm that has starts, rounds for
the one that is planned by rounds, one core for the sequential sampler where the preset has several,
and several for a parallel one where it is sequential. The starts of a preset belong to its own
number of steps and cores: when an option changes either, the starts are chosen again.
"""

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, get_args

from chords_cli.errors import PlanError, UsageError
from chords_cli.sampler.plan import Plan, chords_plan, sequential_plan
from chords_cli.sampler.rounds import default_rounds, useful_cores
from chords_cli.sampler.starts import default_init_t
from chords_cli.sampler.wavefront import wavefront_plan

Starts = tuple[int, ...] | Literal["auto"]
Algo = Literal["sequential", "chords", "wavefront"]
ALGORITHMS: tuple[str, ...] = get_args(Algo)

DEFAULT_ALGO: Algo = "wavefront"
"""Where neither a preset nor an option says another."""

MOST_STEPS, MOST_CORES = 10_000, 256
"""Far more than any sampler takes and any machine has; a plan grows with cores times steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanChoice:
    """How a plan is asked for; None where nothing is said.

    Attributes:
        steps: T, the number of steps of the grid.
        cores: How many cores share them.
        algo: The name of an algorithm.
        init_t: Where each core begins its fine steps, for `chords`.
        rounds: After how many rounds the first output comes, for `wavefront`.
        speedup: The same as a ratio: the steps over the rounds.
    """

    steps: int | None = None
    cores: int | None = None
    algo: str | None = None
    init_t: Starts | None = None
    rounds: int | None = None
    speedup: float | None = None


NOTHING = PlanChoice()


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultPlan:
    """The plan of a preset, for options to change.

    Attributes:
        rounds: None where they follow from steps, cores and guidance.
        guidance: Of two model calls a step; 1 without.
    """

    steps: int
    cores: int
    algo: str
    init_t: Starts = "auto"
    rounds: int | None = None
    guidance: float = 1.0


def plan(
    *,
    steps: int = 50,
    cores: int = 4,
    algo: str | None = None,
    init_t: str | tuple[int, ...] | None = None,
    rounds: int | None = None,
    speedup: float | None = None,
    guidance: float = 1.0,
) -> Plan:
    """Plans who computes what when, as `chords plan` draws it; needs neither model nor torch.

    Args:
        steps: Steps of the sequential sampler.
        cores: How many solvers run at once. Where nothing else is said of the pace, those that
            would come neither sooner nor closer are left out.
        algo: `wavefront` if nothing given asks for another; `chords` or `sequential`.
        init_t: Where each core begins its fine steps, for `chords`.
        rounds: After how many rounds the first result is there, for `wavefront`.
        speedup: The same as a ratio of steps to rounds.
        guidance: Of two model calls a step, for the number of rounds; 1 without.

    Raises:
        ChordsError: They contradict each other or make no plan.
    """
    for name, value in (("steps", steps), ("cores", cores), ("rounds", rounds)):
        if type(value) is not int and (value is not None or name != "rounds"):
            raise PlanError(f"{name} is {value!r}, but must be a whole number")
    for name, number in (("speedup", speedup), ("guidance", guidance)):
        if not isinstance(number, Real) and (number is not None or name != "speedup"):
            raise PlanError(f"{name} is {number!r}, but must be a number")
    starts = parse_init_t(init_t) if isinstance(init_t, str) else init_t
    if not isinstance(starts, str | None):
        starts = _check_starts(starts)
    choice = PlanChoice(
        steps=steps, cores=cores, algo=algo, init_t=starts, rounds=rounds, speedup=speedup
    )
    default = DefaultPlan(steps=steps, cores=cores, algo=DEFAULT_ALGO, guidance=guidance)
    return resolve_plan(default, choice)


def resolve_plan(default: DefaultPlan, given: PlanChoice = NOTHING) -> Plan:
    """Makes the plan that `given` asks for, with the values of `default` where it gives none.

    Raises:
        PlanError: What is given contradicts itself or makes no plan.
    """
    steps = default.steps if given.steps is None else given.steps
    if steps > MOST_STEPS:
        raise PlanError(
            f"steps is {steps}, but a grid has at most {MOST_STEPS} steps",
            "try {steps}",
            {"steps": 50},
        )
    if given.cores is not None and given.cores > MOST_CORES:
        raise PlanError(
            f"cores is {given.cores}, but a run has at most {MOST_CORES} cores",
            "try {cores}",
            {"cores": 4},
        )
    name = resolve_algo(default, given)
    if name != "wavefront":
        _refuse_rounds(name, given)
    if name != "chords":
        _refuse_starts(name, given.init_t or "auto")
    if name == "sequential":
        _check_sequential(given.cores)
        return sequential_plan(steps)
    own = given.cores in (None, default.cores) and steps == default.steps
    if name == "wavefront":
        return _wavefront(default if own else replace(default, rounds=None), given, steps)
    return _chords(default if own else replace(default, init_t="auto"), given, steps)


def resolve_algo(default: DefaultPlan, given: PlanChoice = NOTHING) -> str:
    """Chooses the algorithm: the one given, else the default's, adjusted to the number of cores.

    Raises:
        PlanError: Starts and rounds are both given, and no algorithm takes both.
        UsageError: There is no algorithm of that name.
    """
    asked = given.algo or _algo_of_pace(given)
    name = asked or default.algo
    if name not in ALGORITHMS:
        raise UsageError(
            f"algo is {name!r}, but there are only {', '.join(ALGORITHMS)}",
            "try {algo}",
            {"algo": DEFAULT_ALGO},
        )
    if asked is None and given.cores == 1 and default.cores > 1:
        return "sequential"
    if asked is None and given.cores is not None and given.cores > 1 and name == "sequential":
        return DEFAULT_ALGO
    return name


def parse_init_t(text: str) -> Starts:
    """Reads `auto` or `0-8-16-32`.

    Raises:
        PlanError: It is neither.
    """
    if text == "auto":
        return "auto"
    parts = text.strip().split("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise PlanError(
            f"init_t {text!r} is not a list of whole numbers joined by dashes",
            "write one start a core, slowest first, as in 0-8-16-32",
        )
    return tuple(map(int, parts))


def _check_starts(starts: object) -> tuple[int, ...]:
    """Returns starts from Python as a tuple.

    Raises:
        PlanError: They are no sequence of whole numbers.
    """
    if not isinstance(starts, list | tuple | range) or {type(start) for start in starts} != {int}:
        raise PlanError(
            f"init_t is {starts!r}, but must be a tuple of whole numbers",
            "write one start a core, slowest first, as in {init_t}",
            {"init_t": (0, 8, 16, 32)},
        )
    return tuple(starts)


def _algo_of_pace(given: PlanChoice) -> str | None:
    """Returns the algorithm that takes the given starts or pace; None where neither is given."""
    if given.init_t is None:
        return None if given.rounds is None and given.speedup is None else "wavefront"
    for name, value in (("rounds", given.rounds), ("speedup", given.speedup)):
        if value is not None:
            raise PlanError(
                f"{{init_t}} and {{{name}}} exclude each other",
                "give one of them: starts are for chords, rounds for wavefront",
                {"init_t": _shown(given.init_t), name: value},
            )
    return "chords"


def _chords(default: DefaultPlan, given: PlanChoice, steps: int) -> Plan:
    """Starts that are given tell the number of cores where nothing else does."""
    starts = default.init_t if given.init_t is None else given.init_t
    cores = given.cores
    if cores is None:
        cores = default.cores if given.init_t in (None, "auto") else len(starts)
    chosen = default_init_t(steps, cores)  # which refuses a number of cores that has no plan
    if starts == "auto":
        return chords_plan(steps, chosen)
    if len(starts) != cores:
        raise PlanError(
            f"init_t {_shown(starts)} has {len(starts)} starts, but cores is {cores}",
            "use {cores}, or leave out {cores:name} or {init_t}",
            {"cores": len(starts), "init_t": None},
        )
    return chords_plan(steps, starts)


def _wavefront(default: DefaultPlan, given: PlanChoice, steps: int) -> Plan:
    cores = default.cores if given.cores is None else given.cores
    if given.rounds is not None and given.speedup is not None:
        raise PlanError(
            "{rounds} and {speedup} exclude each other",
            "give one of them",
            {"rounds": given.rounds, "speedup": given.speedup},
        )
    rounds = default.rounds if given.rounds is None else given.rounds
    if given.speedup is not None:
        rounds = _rounds_for(given.speedup, steps)
    if rounds is None:
        if steps > 0 and 0 < cores <= steps:
            cores = useful_cores(steps, cores, default.guidance)
        rounds = default_rounds(max(1, steps), max(1, cores), default.guidance)
    return wavefront_plan(steps, cores, rounds, default.guidance)


def _rounds_for(speedup: float, steps: int) -> int:
    """Returns the rounds in which `steps` steps are covered `speedup` times sooner."""
    if not (math.isfinite(speedup) and 1 <= speedup <= steps):
        raise PlanError(
            f"speedup is {speedup:g}, but {steps} steps can be from 1 to {steps} times sooner",
            "try {speedup}",
            {"speedup": min(4, max(1, steps))},
        )
    return math.ceil(steps / speedup)


def _refuse_rounds(algo: str, given: PlanChoice) -> None:
    for name, value in (("rounds", given.rounds), ("speedup", given.speedup)):
        if value is not None:
            raise PlanError(
                f"{name} is {value:g}, but algo {algo} is not planned by rounds",
                f"use {{algo}}, or leave out {{{name}}}",
                {"algo": "wavefront", name: None},
            )


def _refuse_starts(algo: str, starts: Starts) -> None:
    if starts != "auto" and not (algo == "sequential" and starts == (0,)):
        raise PlanError(
            f"init_t {_shown(starts)} is set, but algo {algo} has no starts",
            "use {algo}, or leave out {init_t}",
            {"algo": "chords", "init_t": None},
        )


def _check_sequential(cores: int | None) -> None:
    if cores not in (None, 1):
        raise PlanError(
            f"cores is {cores}, but algo sequential runs on 1 core",
            "use {algo}, or {cores}",
            {"algo": "wavefront", "cores": 1},
        )


def _shown(starts: Starts) -> str:
    return starts if starts == "auto" else "-".join(map(str, starts))
