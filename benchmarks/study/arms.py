"""The ways to a sample that the study compares, each as a function of a `Problem`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from diffusers import (
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)
from torch import Tensor

from benchmarks.study.peers import paradigms, srds, srds_nfe, srds_rounds
from benchmarks.study.problem import Problem
from chords_cli.sampler import Plan, chords_plan, default_init_t, wavefront_plan

NAMES = ("Euler", "UniPC", "DPM++ 2M", "chords", "wavefront", "ParaDiGMS", "SRDS")
NONE = "none"

TOLERANCES = (0.02, 0.08)
"""ParaDiGMS moves on when it is close enough, so its rounds follow from these."""


@dataclass(frozen=True)
class Attempt:
    """What one arm made of all prompts of a problem.

    Attributes:
        arm: The algorithm; with `cores` and `setting` the arm's name.
        cores: K.
        setting: What tells it from others of the same algorithm and cores: planned rounds, a
            tolerance, refinements.
        rounds: Per prompt, model evaluations one after the other.
        nfe: Per prompt, model evaluations of all cores.
        latents: One row a prompt.
    """

    arm: str
    cores: int
    setting: str
    rounds: list[int]
    nfe: list[int]
    latents: Tensor


Arm = Callable[[Problem], list[Attempt]]


def arms(
    pipe: DiffusionPipeline,
    steps: int,
    cores: Sequence[int],
    rounds: Sequence[int],
    only: Sequence[str] = (),
) -> list[Arm]:
    """All arms on a grid of `steps` steps; those of the algorithms `only`, where it names some.

    `only` has names of `NAMES`, or `NONE` for the reference alone.

    Wavefronts that would take more than four times the sequential sampler's evaluations are left
    out: eight cores in 33 rounds interest nobody.
    """
    named: list[tuple[str, Arm]] = [("Euler", partial(_few, "Euler", _euler(pipe), rounds))]
    named += [(name, partial(_few, name, made, rounds)) for name, made in _second_order(pipe)]
    named += [("chords", partial(_chords, k)) for k in cores if 1 < k <= steps]
    named += [
        ("wavefront", partial(_wavefront, k, r))
        for k in (1, *(k for k in cores if 1 < k <= steps))
        for r in rounds
        if r <= steps and k * r <= 4 * steps
    ]
    named += [("ParaDiGMS", partial(_paradigms, k, t)) for k in cores if k > 1 for t in TOLERANCES]
    named += [("SRDS", partial(_srds, tuple(k for k in cores if k > 1), max(rounds)))]
    return [arm for name, arm in named if not only or name in only]


def sequential(problem: Problem) -> Attempt:
    """The reference: the pipeline's own result on the full grid."""
    taken = [problem.steps] * problem.samples
    return Attempt("sequential", 1, "", taken, taken, problem.path[-1])


def converged(pipe: DiffusionPipeline, problem: Problem) -> Attempt:
    """The ODE's solution, nearly: DPM++ 2M on a grid four times as fine."""
    name, scheduler = _second_order(pipe)[-1]
    [attempt] = _few(name, scheduler, [4 * problem.steps], problem)
    return attempt


def _few(
    name: str, scheduler: SchedulerMixin | None, rounds: Sequence[int], problem: Problem
) -> Iterator[Attempt]:
    """The unmodified pipeline with fewer steps."""
    for steps in rounds:
        taken = [steps] * problem.samples
        made = problem.stock(steps, scheduler)
        yield Attempt(name, 1, f"{steps} steps", taken, taken, made)


def _euler(pipe: DiffusionPipeline) -> SchedulerMixin | None:
    """The pipeline's own scheduler made first-order; None where it is."""
    scheduler = pipe.scheduler
    if "solver_order" not in scheduler.config:
        return None
    settings = {"solver_order": 1}
    if "disable_corrector" in scheduler.config:
        settings["disable_corrector"] = list(range(scheduler.config.num_train_timesteps))
    return type(scheduler).from_config(scheduler.config, **settings)


def _second_order(pipe: DiffusionPipeline) -> list[tuple[str, SchedulerMixin]]:
    """Multistep schedulers on the model's own kind of grid: the same shift towards the noise."""
    config = dict(pipe.scheduler.config)
    settings = {
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": True,
        "flow_shift": config.get("flow_shift", config.get("shift", 1.0)),
        "solver_order": 2,
        "disable_corrector": [],
    }
    unipc = UniPCMultistepScheduler.from_config(config, **settings)
    del settings["disable_corrector"]
    dpm = DPMSolverMultistepScheduler.from_config(config, **settings)
    return [("UniPC", unipc), ("DPM++ 2M", dpm)]


def _chords(cores: int, problem: Problem) -> list[Attempt]:
    """The paper's algorithm with its default starts: its first output and the one after it."""
    plan = chords_plan(problem.steps, default_init_t(problem.steps, cores))
    wanted = [index for index in (1, 2) if plan.rounds(index) < problem.steps]
    return _planned(plan, wanted, problem)


def _wavefront(cores: int, rounds: int, problem: Problem) -> list[Attempt]:
    return _planned(wavefront_plan(problem.steps, cores, rounds), [1], problem)


def _planned(plan: Plan, wanted: list[int], problem: Problem) -> list[Attempt]:
    made = problem.simulated(plan.until(max(wanted)))
    return [
        Attempt(
            plan.algo,
            plan.cores,
            f"output {index}" if plan.algo == "chords" else f"{plan.rounds(1)} rounds",
            [plan.rounds(index)] * problem.samples,
            [plan.nfe_total(index)] * problem.samples,
            next(output.latent for output in made if output.index == index),
        )
        for index in wanted
    ]


def _paradigms(cores: int, tolerance: float, problem: Problem) -> list[Attempt]:
    made = paradigms(problem, cores, tolerance)
    setting = f"tolerance {tolerance:g}"
    return [Attempt("ParaDiGMS", cores, setting, made.rounds, made.nfe, made.latents)]


def _srds(cores: Sequence[int], most_rounds: int, problem: Problem) -> list[Attempt]:
    """One computation tells all refinements; how long each takes depends on the cores."""
    timed = {
        (k, p): srds_rounds(problem.steps, k, p)
        for k in cores
        for p in range(problem.steps)
        if srds_rounds(problem.steps, k, p) <= most_rounds
    }
    if not timed:
        return []
    results = srds(problem, max(p for _, p in timed))
    return [
        Attempt(
            "SRDS",
            k,
            f"{p} refinements",
            [rounds] * problem.samples,
            [srds_nfe(problem.steps, p)] * problem.samples,
            results[p],
        )
        for (k, p), rounds in timed.items()
    ]
