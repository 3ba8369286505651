"""The ways to a sample that the study compares, each as a function of a `Problem` and an `Arm`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from diffusers import (
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)
from torch import Tensor

from benchmarks.study.cells import Arm, Cell
from benchmarks.study.peers import paradigms, srds, srds_nfe, srds_rounds
from benchmarks.study.problem import Problem
from chords_cli.sampler import Plan, chords_plan, default_init_t, wavefront_plan
from chords_cli.sampler.core import Move, trusted
from chords_cli.sampler.estimate import estimated_error

FEW_STEPS = ("Euler", "DPM++ 2M", "UniPC")
"""Stock samplers with fewer steps on one device."""

MESHES, FILLS = ("growing", "uniform", "half"), ("line", "share")
"""Which steps one core visits, and what it assumes on the others: the line through its last two
drifts, or a trusted share of that through its last predictions."""

LONE = tuple(f"one core, {mesh}, {fill}" for mesh in MESHES for fill in FILLS)
TOLERANCES, REFINEMENTS = (0.02, 0.08), (1, 2)
PEERS = (*(f"ParaDiGMS {t:g}" for t in TOLERANCES), *(f"SRDS {p}" for p in REFINEMENTS))

USUAL = ("wavefront", "one core", *FEW_STEPS, "chords")
NAMES = (*USUAL, *LONE, *PEERS)


@dataclass(frozen=True)
class Made:
    """What an arm made of all prompts of a problem.

    Attributes:
        latents: One row a prompt.
        evaluations: Model evaluations of all cores, for one prompt; the mean where they differ.
        more: Further numbers of every prompt, by their name.
    """

    latents: Tensor
    evaluations: int
    more: dict[str, list[float]] = field(default_factory=dict)


def arms(
    cell: Cell, cores: Iterable[int], offsets: Iterable[int], names: Sequence[str] = USUAL
) -> list[Arm]:
    """All arms of a cell: `cores` cores at the default rounds and `offsets` more of them.

    Every number of rounds that occurs gets its rows of one device with as many evaluations.
    """
    asked = [k for k in cores if k <= cell.steps]
    planned = {
        (k, min(cell.steps, max(2, cell.default_rounds(k) + more)))
        for k in asked
        for more in offsets
    }
    alone = sorted({rounds for _, rounds in planned})
    found = [Arm("wavefront", k, r) for k, r in sorted(planned) if k > 1]
    found += [Arm(n, 1, r) for n in ("one core", *FEW_STEPS, *LONE) for r in alone]
    for k in (k for k in asked if k > 1):
        found.append(Arm("chords", k, _chords_plan(cell.steps, k).rounds(1)))
        found += [Arm(f"ParaDiGMS {tolerance:g}", k, 0) for tolerance in TOLERANCES]
        found += [Arm(f"SRDS {p}", k, srds_rounds(cell.steps, k, p)) for p in REFINEMENTS]
    return [arm for arm in found if arm.name in names]


def made(arm: Arm, problem: Problem, guidance: float) -> Made:
    """Samples all prompts of a problem."""
    if arm.name in FEW_STEPS:
        scheduler = {"Euler": _euler, "DPM++ 2M": _dpm, "UniPC": _unipc}[arm.name](problem.pipe)
        return Made(problem.stock(arm.rounds, scheduler), arm.rounds)
    if arm.name.startswith("ParaDiGMS"):
        return _paradigms(arm, problem)
    if arm.name.startswith("SRDS"):
        refinements = int(arm.name.split()[1])
        latents = srds(problem, refinements)[-1]
        return Made(latents, srds_nfe(problem.steps, refinements))
    plan = plan_of(arm, problem.steps, guidance)
    if arm.name.endswith("share"):
        return Made(shared(problem, plan.walks[0]), arm.rounds)
    wanted = plan.until(1)
    found: dict[tuple[int, int], Tensor] = {}

    def note(core: int, round: int, move: Move) -> None:
        if move.correction and move.kept:
            found[core, round] = move.correction() / move.kept

    output = next(one for one in problem.simulated(wanted, note) if one.index == 1)
    return Made(output.latent, plan.nfe_total(1), _within(wanted, found))


def _within(plan: Plan, corrections: Mapping[tuple[int, int], Tensor]) -> dict[str, list[float]]:
    """Within what of the sequential result a run would have said that each prompt's is."""
    rows = len(next(iter(corrections.values()))) if corrections else 0
    told = [
        estimated_error(plan, 1, {at: float(one[row]) for at, one in corrections.items()})
        for row in range(rows)
    ]
    return {"within": [one for one in told if one is not None]} if None not in told[:1] else {}


def plan_of(arm: Arm, steps: int, guidance: float) -> Plan:
    """The plan of an arm that has one."""
    if arm.name == "chords":
        return _chords_plan(steps, arm.cores)
    if arm.name in ("wavefront", "one core"):
        return wavefront_plan(steps, arm.cores, arm.rounds, guidance)
    mesh = arm.name.split(", ")[1]
    growing = wavefront_plan(steps, 1, arm.rounds)
    walks = {"growing": growing.walks[0], "uniform": uniform(steps, arm.rounds)}
    walks["half"] = halfway(walks["growing"], walks["uniform"])
    return replace(growing, walks=(walks[mesh],))


def uniform(steps: int, rounds: int) -> tuple[int, ...]:
    """As many steps as rounds at equal distances, from the first to the last."""
    return tuple(round(n * (steps - 1) / max(1, rounds - 1)) for n in range(rounds))


def halfway(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """Half-way between two walks, without taking a step twice."""
    walk: list[int] = []
    for a, b in zip(one, other, strict=True):
        walk.append(max(round((a + b) / 2), walk[-1] + 1 if walk else 0))
    return tuple(walk)


def shared(problem: Problem, walk: Sequence[int]) -> Tensor:
    """One core on the scheduler's own steps of a flow, that follows predictions where it asks not.

    Beyond the last prediction it follows the trusted share of the line through the last two.
    """
    sigmas, drift, solver = problem.sigmas, problem.remembering(), problem.solver()
    latents, known = problem.noise, list[tuple[float, Tensor]]()
    for step, stop in zip(walk, (*walk[1:], problem.steps), strict=True):
        now = drift(latents, step)
        known = [*known[-2:], (sigmas[step], latents - sigmas[step] * now)]
        change = _trusted_change(known)
        for taken in range(step, stop):
            ahead = sigmas[taken] - sigmas[step]
            filled = known[-1][1] + (0.0 if change is None else ahead * change)
            followed = now if taken == step else (latents - filled) / sigmas[taken]
            latents = solver.fine(latents, followed, taken)
        solver.settle(stop, jumped=False, rectified=False)
    return latents


def _trusted_change(known: Sequence[tuple[float, Tensor]]) -> Tensor | None:
    """How predictions change with sigma, as far as the last change was foretold."""
    if len(known) < 3:
        return None
    (first, a), (second, b), (last, c) = known
    stretch = (last - second) / (second - first)
    return trusted(c - b, stretch * (b - a)) * (c - b) / (last - second)


def _paradigms(arm: Arm, problem: Problem) -> Made:
    """It goes on when it is close enough, so its rounds are a prompt's own."""
    found = paradigms(problem, arm.cores, float(arm.name.split()[1]))
    mean = round(sum(found.nfe) / len(found.nfe))
    return Made(found.latents, mean, {"rounds": [float(rounds) for rounds in found.rounds]})


def _chords_plan(steps: int, cores: int) -> Plan:
    """The paper's algorithm with its default starts."""
    return chords_plan(steps, default_init_t(steps, cores))


def _euler(pipe: DiffusionPipeline) -> SchedulerMixin | None:
    """The pipeline's own scheduler made first-order; None where it is."""
    scheduler = pipe.scheduler
    if "solver_order" not in scheduler.config:
        return None
    settings = {"solver_order": 1}
    if "disable_corrector" in scheduler.config:
        settings["disable_corrector"] = list(range(scheduler.config.num_train_timesteps))
    return type(scheduler).from_config(scheduler.config, **settings)


def _unipc(pipe: DiffusionPipeline) -> SchedulerMixin:
    return UniPCMultistepScheduler.from_config(
        dict(pipe.scheduler.config), **_second_order(pipe), disable_corrector=[]
    )


def _dpm(pipe: DiffusionPipeline) -> SchedulerMixin:
    return DPMSolverMultistepScheduler.from_config(
        dict(pipe.scheduler.config), **_second_order(pipe)
    )


def _second_order(pipe: DiffusionPipeline) -> dict[str, object]:
    """Settings on the model's own kind of grid: the same shift towards the noise."""
    config = pipe.scheduler.config
    return {
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": True,
        "flow_shift": config.get("flow_shift", config.get("shift", 1.0)),
        "solver_order": 2,
    }
