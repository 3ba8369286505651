"""Coarse jumps are the closed form of the ODE's step, whatever scheduler makes them.

Bounds are measured: the largest error over all pairs and both grids was 3.6e-7 for flow, Euler and
v, and 1.4e-6 (DEIS, by logarithms: 3.7e-6) where a variance-preserving latent passes through square
roots in float32.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    DDIMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)
from torch import Tensor

from chords_cli.pipelines.solver import StockSolver

SDXL = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
COGVIDEO = SDXL | {
    "steps_offset": 0,
    "timestep_spacing": "trailing",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "clip_sample": False,
}
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}

GRIDS = (50, 30)
PAIRS = ((0, 4), (4, 9), (8, -1), (8, 0), (0, 0))
"""From step to step; counted from the end where not positive, so that 0 is the end itself."""

Closed = Callable[[SchedulerMixin, Tensor, Tensor, int, int], Tensor]


def draw(seed: int) -> Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def euler_in_sigma(made: SchedulerMixin, x: Tensor, drift: Tensor, i: int, j: int) -> Tensor:
    """x + (sigma_j - sigma_i) dx/dsigma."""
    sigma, target = made.sigmas[i].double(), made.sigmas[j].double()
    return x + (target - sigma) * drift


def euler_of_v(made: SchedulerMixin, x: Tensor, v: Tensor, i: int, j: int) -> Tensor:
    """The same with the drift of a v prediction, in a latent of unscaled variance."""
    sigma = made.sigmas[i].double()
    clean = x / (sigma**2 + 1) - v * sigma / (sigma**2 + 1).sqrt()
    return euler_in_sigma(made, x, (x - clean) / sigma, i, j)


def ddim_in_sigma(made: SchedulerMixin, x: Tensor, noise: Tensor, i: int, j: int) -> Tensor:
    """DDIM between two sigmas = (noise / signal) of a variance-preserving latent."""
    (a, s), (b, t) = (_signal_and_noise(made.sigmas[k].double()) for k in (i, j))
    return b * (x - s * noise) / a + t * noise


def ddim_of_noise(made: SchedulerMixin, x: Tensor, noise: Tensor, i: int, j: int) -> Tensor:
    a, b = _alphas(made, i, j)
    return b.sqrt() * (x - (1 - a).sqrt() * noise) / a.sqrt() + (1 - b).sqrt() * noise


def ddim_of_v(made: SchedulerMixin, x: Tensor, v: Tensor, i: int, j: int) -> Tensor:
    a, b = _alphas(made, i, j)
    clean, noise = a.sqrt() * x - (1 - a).sqrt() * v, a.sqrt() * v + (1 - a).sqrt() * x
    return b.sqrt() * clean + (1 - b).sqrt() * noise


def _signal_and_noise(sigma: Tensor) -> tuple[Tensor, Tensor]:
    return 1 / (sigma**2 + 1).sqrt(), sigma / (sigma**2 + 1).sqrt()


def _alphas(made: SchedulerMixin, i: int, j: int) -> tuple[Tensor, Tensor]:
    """The cumulative alphas where stock DDIM stands at two grid steps."""
    stride = made.config.num_train_timesteps // made.num_inference_steps
    target = int(made.timesteps[j - 1]) - stride
    alphas = made.alphas_cumprod.double()
    end = torch.as_tensor(made.final_alpha_cumprod).double()
    return alphas[int(made.timesteps[i])], alphas[target] if target >= 0 else end


@dataclass(frozen=True, kw_only=True)
class Case:
    """A supported scheduler, as some released model is configured, and its exact jump."""

    make: Callable[[], SchedulerMixin]
    closed: Closed
    bound: float = 5e-7
    bent: float = 1e-5
    grid: dict[str, Any] = field(default_factory=dict)


CASES = {
    "flow Euler": Case(
        make=lambda: FlowMatchEulerDiscreteScheduler(shift=3.0), closed=euler_in_sigma
    ),
    "flow Euler, dynamic shift": Case(
        make=lambda: FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, shift_terminal=0.02
        ),
        closed=euler_in_sigma,
        grid={"mu": 1.1},
    ),
    "flow Euler, inverted": Case(
        make=lambda: FlowMatchEulerDiscreteScheduler(invert_sigmas=True), closed=euler_in_sigma
    ),
    "UniPC flow": Case(
        make=lambda: UniPCMultistepScheduler(**FLOW), closed=euler_in_sigma, bent=0.004
    ),
    "DPM++ flow": Case(
        make=lambda: DPMSolverMultistepScheduler(**FLOW), closed=euler_in_sigma, bent=0.02
    ),
    "Euler": Case(make=lambda: EulerDiscreteScheduler(**SDXL), closed=euler_in_sigma),
    "Euler of v": Case(
        make=lambda: EulerDiscreteScheduler(**SDXL, prediction_type="v_prediction"),
        closed=euler_of_v,
    ),
    "DDIM": Case(
        make=lambda: DDIMScheduler(**SDXL, clip_sample=False, set_alpha_to_one=False),
        closed=ddim_of_noise,
        bound=1.5e-6,
    ),
    "CogVideoX DDIM": Case(make=lambda: CogVideoXDDIMScheduler(**COGVIDEO), closed=ddim_of_v),
    "DPM++": Case(
        make=lambda: DPMSolverMultistepScheduler(**SDXL),
        closed=ddim_in_sigma,
        bound=1.5e-6,
        bent=0.09,
    ),
    "UniPC": Case(
        make=lambda: UniPCMultistepScheduler(**SDXL),
        closed=ddim_in_sigma,
        bound=1.5e-6,
        bent=0.04,
    ),
    "DEIS": Case(make=lambda: DEISMultistepScheduler(**SDXL), closed=ddim_in_sigma, bound=4e-6),
}


def solver_of(case: Case, steps: int) -> tuple[SchedulerMixin, StockSolver]:
    """The scheduler on a grid and the solver of a core that uses it."""
    made = case.make()
    made.set_timesteps(steps, **case.grid)
    made.is_scale_input_called = True
    solver = StockSolver(made)
    solver.grid = made.timesteps
    return made, solver


@pytest.mark.parametrize("name", CASES)
def test_jump_equals_the_closed_form_in_float64(name: str) -> None:
    case, latent, drift = CASES[name], draw(0), draw(1)
    for steps in GRIDS:
        made, solver = solver_of(case, steps)
        for start, stop in ((i, j if j > 0 else steps + j) for i, j in PAIRS):
            jumped = solver.jump(latent, drift, start, stop)
            exact = case.closed(made, latent.double(), drift.double(), start, stop)
            error = (jumped - exact).abs() / exact.abs().clamp(min=1)
            assert error.max() <= case.bound, (steps, start, stop, float(error.max()))


@pytest.mark.parametrize("name", CASES)
def test_jump_to_the_neighbour_is_the_stock_step_bit_for_bit(name: str) -> None:
    case, latent, drift = CASES[name], draw(0), draw(1)
    for steps in GRIDS:
        made, solver = solver_of(case, steps)
        for step in (0, 7, steps - 1):
            jumped = solver.jump(latent, drift, step, step + 1)
            fresh = copy.deepcopy(made)
            if hasattr(fresh, "_step_index"):
                fresh._step_index = step
            stock = fresh.step(drift, made.timesteps[step], latent, return_dict=False)[0]
            assert torch.equal(jumped, stock), (steps, step)


@pytest.mark.parametrize("name", CASES)
def test_steps_of_a_loop_that_begins_late_are_the_grid_s(name: str) -> None:
    case, latent, drift, first = CASES[name], draw(0), draw(1), 11
    (_, whole), (made, late) = (solver_of(case, 30) for _ in range(2))
    late.first = first
    assert late.clock() == whole.clock()[first:]
    for start, stop in ((0, 1), (0, 7), (5, 30 - first), (18, 30 - first)):
        there = whole.jump(latent, drift, first + start, first + stop)
        assert torch.equal(late.jump(latent, drift, start, stop), there), (start, stop)
    late.settle(4, jumped=True, rectified=False)
    if hasattr(made, "_step_index"):
        assert made.step_index == first + 4
    grid, end = late.linear_grid(), whole.linear_grid()
    if end.memory == 0:
        assert (grid.keep, grid.pulls) == (end.keep[first:], end.pulls[first:])


@pytest.mark.parametrize("name", CASES)
def test_jump_leaves_no_trace_in_the_scheduler(name: str) -> None:
    latent, (made, solver) = draw(0), solver_of(CASES[name], 50)
    for step in range(3):  # builds up a history
        latent = solver.fine(latent, draw(step + 1), step)
    before = copy.deepcopy(made.__dict__)
    solver.jump(latent, draw(9), 3, 20)
    assert_equal(made.__dict__, before)
    assert torch.equal(made.timesteps, solver.grid)


@pytest.mark.parametrize("name", CASES)
def test_rectified_latent_is_kept_by_the_steps_that_follow(name: str) -> None:
    """Where the model predicts zeros a step is linear in the latent, so a correction adds its own.

    What multistep schedulers remember of the uncorrected latent bends it by 9 percent at most.
    """
    case, nothing, ends = CASES[name], torch.zeros(1, 4, 8, 8), []
    for correction in (0.0, 1.0):
        latent, (made, solver) = draw(0), solver_of(case, 20)
        for step in range(8):
            latent = solver.fine(latent, nothing, step)
            if step == 5:
                latent = latent + correction
                solver.settle(6, jumped=False, rectified=True)
        ends.append(latent)
    exact = torch.ones(1, 4, 8, 8, dtype=torch.float64)
    for step in (6, 7):
        exact = case.closed(made, exact, nothing.double(), step, step + 1)
    bent = (ends[1] - ends[0]) / exact - 1
    assert bent.abs().max() <= case.bent, float(bent.mean())


def test_unipc_loses_a_rectified_latent_that_it_is_not_told_of() -> None:
    """Why `settle` forgets the last sample: the corrector recomputes the latent from it."""
    latent, (_, solver) = torch.zeros(1, 4, 8, 8), solver_of(CASES["UniPC flow"], 20)
    for step in range(8):
        latent = solver.fine(latent, torch.zeros_like(latent), step)
        if step == 5:
            latent = latent + 1.0
    assert latent.mean() < 0.1


def test_steps_after_a_jump_do_not_know_what_was_before_it() -> None:
    for name in ("UniPC flow", "DPM++ flow", "DPM++", "DEIS"):
        after = []
        for history in (0, 4):
            latent, (_, solver) = draw(0), solver_of(CASES[name], 50)
            for step in range(history):
                solver.fine(draw(step), draw(step + 10), step)
            solver.settle(20, jumped=True, rectified=False)
            for step in (20, 21):
                latent = solver.fine(latent, draw(step), step)
            after.append(latent)
        assert torch.equal(*after), name


BY_TOKEN = "per_token_timesteps"
"""Pipelines that name timesteps by token hand over the negated drift."""


def test_tokens_with_timesteps_of_their_own_jump_from_there() -> None:
    _, solver = solver_of(CASES["flow Euler"], 10)
    at = solver.grid[4]
    solver.note(4, {BY_TOKEN: torch.stack([torch.tensor(0.0), at / 2, at])[None]})
    solver.note(5, {BY_TOKEN: torch.zeros(1, 3)})
    ones = torch.ones(1, 3, 2)
    jumped = solver.jump(ones, ones, 4, 10)[0, :, 0]
    torch.testing.assert_close(jumped, 1 + torch.tensor([0.0, at / 2, at]) / 1000)
    assert torch.equal(solver.jump(ones, ones, 5, 10), ones)


def test_factors_where_timesteps_are_named_by_token_are_those_of_the_negated_drift() -> None:
    _, solver = solver_of(CASES["flow Euler"], 10)
    plain = solver.linear_grid()
    solver.note(0, {BY_TOKEN: torch.tensor([[0.0, 1000.0]])})
    named = solver.linear_grid()
    assert named.keep == pytest.approx(plain.keep, abs=1e-5)
    assert named.end_keep == pytest.approx(plain.end_keep, abs=1e-5)
    assert named.end_pull == pytest.approx([-pull for pull in plain.end_pull], abs=1e-5)


def assert_equal(state: dict[str, Any], before: dict[str, Any]) -> None:
    """Two object states hold the same values, tensors compared by their bits."""
    assert state.keys() == before.keys()
    for name, value in state.items():
        pairs = zip(value, before[name], strict=True) if isinstance(value, list) else None
        for now, then in pairs or [(value, before[name])]:
            same = torch.equal(now, then) if isinstance(now, Tensor) else now is then or now == then
            assert same, name
