"""A multistep scheduler's own path as factors, against the stock scheduler."""

import copy
from collections.abc import Callable

import pytest
import torch
from diffusers import (
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)
from torch import Tensor

from chords_cli.errors import UsageError
from chords_cli.pipelines.solver import StockSolver
from chords_cli.sampler import Plan, simulate, wavefront_plan
from chords_cli.sampler.fills import LinearGrid
from tests.unit.pipelines.test_jumps import SDXL, draw

FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
Make = Callable[[], SchedulerMixin]

UNIPC, DPM = UniPCMultistepScheduler, DPMSolverMultistepScheduler
MULTISTEP: dict[str, tuple[Make, int]] = {
    "UniPC 2, flow": (lambda: UNIPC(**FLOW, flow_shift=3.0), 2),
    "UniPC 2, flow shifted by 5": (lambda: UNIPC(**FLOW, flow_shift=5.0), 2),
    "UniPC 1, flow": (lambda: UNIPC(**FLOW, solver_order=1), 1),
    "UniPC 3, flow": (lambda: UNIPC(**FLOW, solver_order=3), 3),
    "UniPC 2, bh1": (
        lambda: UNIPC(**FLOW, solver_type="bh1", final_sigmas_type="sigma_min"),
        2,
    ),
    "UniPC 2 without corrector": (lambda: UNIPC(**FLOW, disable_corrector=list(range(100))), 1),
    "UniPC 2 of noise": (lambda: UNIPC(**SDXL), 2),
    "UniPC 2, Karras": (lambda: UNIPC(**SDXL, use_karras_sigmas=True), 2),
    "UniPC 2 of v, trailing": (
        lambda: UNIPC(**SDXL | {"timestep_spacing": "trailing"}, prediction_type="v_prediction"),
        2,
    ),
    "DPM++ 2M, flow": (lambda: DPM(**FLOW, flow_shift=3.0), 1),
    "DPM++ 2M, Heun": (lambda: DPM(**SDXL, solver_type="heun"), 1),
    "DPM++ 2M, Karras": (lambda: DPM(**SDXL, use_karras_sigmas=True), 1),
    "DPM++ 2M of v, linspace": (
        lambda: DPM(**SDXL | {"timestep_spacing": "linspace"}, prediction_type="v_prediction"),
        1,
    ),
    "DPM++ 2M with Euler at last": (lambda: DPM(**SDXL, euler_at_final=True), 1),
    "DPM++ 3M": (lambda: DPM(**SDXL, solver_order=3), 2),
}
"""Schedulers, and how many earlier predictions their steps use."""

FIRST_ORDER: dict[str, Make] = {
    "flow Euler": lambda: FlowMatchEulerDiscreteScheduler(shift=3.0),
    "DPM++ 1": lambda: DPM(**FLOW, solver_order=1),
    "UniPC 1 without corrector": lambda: UNIPC(
        **FLOW, solver_order=1, disable_corrector=list(range(100))
    ),
    "DEIS": lambda: DEISMultistepScheduler(**SDXL),
}


def solver_of(make: Make, steps: int, first: int = 0) -> StockSolver:
    scheduler = make()
    scheduler.set_timesteps(steps)
    solver = StockSolver(scheduler)
    solver.grid, solver.first = scheduler.timesteps, first
    return solver


def stock(make: Make, steps: int, first: int = 0) -> list[Tensor]:
    """The latents of a stock run whose model answers at random."""
    scheduler, latents = make(), [draw(0)]
    scheduler.set_timesteps(steps)
    scheduler.set_begin_index(first)
    for step, timestep in enumerate(scheduler.timesteps[first:]):
        moved = scheduler.step(draw(step + 1), timestep, latents[-1], return_dict=False)
        latents.append(moved[0])
    return latents


def followed(grid: LinearGrid, latents: list[Tensor]) -> list[Tensor]:
    """The latents that the factors lead to, with what was predicted on the way of the stock run."""
    made, predicted = [latents[0].double()], []
    for step, pulls in enumerate(grid.pulls):
        drift = draw(step + 1).double()
        ends = grid.end_keep[step] * latents[step].double() + grid.end_pull[step] * drift
        predicted.append(ends)
        latent = grid.keep[step] * made[step]
        for distance, pull in enumerate(pulls):
            latent = latent + pull * predicted[step - distance]
        made.append(latent)
    return made


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 24])
@pytest.mark.parametrize("name", MULTISTEP)
def test_factors_lead_along_the_stock_path(name: str, steps: int) -> None:
    make, _ = MULTISTEP[name]
    latents = stock(make, steps)
    made = followed(solver_of(make, steps).linear_grid(), latents)
    for expected, latent in zip(latents, made, strict=True):
        size = float(expected.abs().max())
        torch.testing.assert_close(latent.float(), expected, rtol=0, atol=5e-5 * size)


@pytest.mark.parametrize("first", [1, 4, 9])
@pytest.mark.parametrize("name", MULTISTEP)
def test_a_loop_that_begins_late_has_the_steps_and_the_factors_of_stock(
    name: str, first: int
) -> None:
    make, _ = MULTISTEP[name]
    latents, solver = stock(make, 10, first), solver_of(make, 10, first)
    for step in range(10 - first):
        moved = solver.fine(latents[step], draw(step + 1), step)
        assert torch.equal(moved, latents[step + 1])
    made = followed(solver_of(make, 10, first).linear_grid(), latents)
    assert len(made) == len(latents)
    for expected, latent in zip(latents, made, strict=True):
        size = float(expected.abs().max())
        torch.testing.assert_close(latent.float(), expected, rtol=0, atol=5e-5 * size)


@pytest.mark.parametrize("name", MULTISTEP)
def test_a_step_uses_the_predictions_that_the_scheduler_remembers(name: str) -> None:
    make, memory = MULTISTEP[name]
    grid = solver_of(make, 20).linear_grid()
    assert grid.memory == memory
    assert [len(pulls) for pulls in grid.pulls[: memory + 1]] == list(range(1, memory + 2))


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_others_have_the_factors_of_first_order(name: str) -> None:
    assert solver_of(FIRST_ORDER[name], 20).linear_grid().memory == 0


def test_the_order_falls_at_the_end_as_the_scheduler_lets_it_fall() -> None:
    lengths = [
        len(p) for p in solver_of(lambda: DPM(**SDXL, solver_order=3), 10).linear_grid().pulls
    ]
    assert lengths == [1, 2, 3, 3, 3, 3, 3, 3, 2, 1]


def test_asking_for_the_factors_leaves_the_scheduler_as_it_was() -> None:
    scheduler = UNIPC(**FLOW)
    scheduler.set_timesteps(8)
    solver, latent = StockSolver(scheduler), draw(0)
    solver.grid = scheduler.timesteps
    latent = solver.fine(latent, draw(1), 0)
    twin = copy.deepcopy(scheduler)
    solver.linear_grid()
    after = solver.fine(latent, draw(2), 1)
    solver._scheduler = twin
    assert torch.equal(after, solver.fine(latent, draw(2), 1))


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
@pytest.mark.parametrize("name", MULTISTEP)
def test_as_many_rounds_as_steps_give_the_stock_result_on_every_core(name: str, cores: int) -> None:
    steps, (make, _) = 12, MULTISTEP[name]
    latents = stock(make, steps)
    outputs = simulate(
        wavefront_plan(steps, cores, steps),
        lambda latent, step: draw(step + 1),
        draw(0),
        [0.0] * (steps + 1),
        solver=lambda _: solver_of(make, steps),
    )
    size = float(latents[-1].abs().max())
    for output in outputs[1:]:
        torch.testing.assert_close(output.latent, latents[-1], rtol=0, atol=5e-5 * size)
    assert torch.equal(outputs[-1].latent, latents[-1])


def visited(make: Make, plan: Plan, slope: float) -> dict[int, list[Tensor]]:
    """The latents at which the model is asked at every step; it predicts a line in the clock."""
    grid, asked = solver_of(make, plan.steps).linear_grid(), {}

    def drift(latent: Tensor, step: int) -> Tensor:
        asked.setdefault(step, []).append(latent)
        wanted = draw(1).double() + slope * grid.clock[step] * draw(2).double()
        return (wanted - grid.end_keep[step] * latent) / grid.end_pull[step]

    nothing = [0.0] * (plan.steps + 1)
    solver = lambda _: solver_of(make, plan.steps)  # noqa: E731
    simulate(plan, drift, draw(0).double(), nothing, solver=solver)
    return asked


@pytest.mark.parametrize("rounds", [8, 12])
@pytest.mark.parametrize("cores", [2, 3, 5])
@pytest.mark.parametrize("name", ["UniPC 2, flow", "UniPC 3, flow", "DPM++ 2M, flow", "DPM++ 3M"])
def test_cores_walk_on_the_stock_path_where_what_they_fill_in_is_right(
    name: str, cores: int, rounds: int
) -> None:
    """It is, from the first round on, if predictions never change; on a line, from the fourth."""
    plan, (make, _) = wavefront_plan(20, cores, rounds, guidance=4.0), MULTISTEP[name]
    for slope, first in ((0.0, 0), (1.0, max(walk[min(3, len(walk) - 1)] for walk in plan.walks))):
        for step, latents in visited(make, plan, slope).items():
            for latent in latents[1:] if step >= first else ():
                size = float(latents[0].abs().max())
                torch.testing.assert_close(latent, latents[0], rtol=0, atol=1e-5 * size)


def test_a_scheduler_that_clips_its_predictions_is_refused() -> None:
    with pytest.raises(UsageError, match="takes no linear steps"):
        solver_of(lambda: DPM(**SDXL, thresholding=True), 10).linear_grid()
