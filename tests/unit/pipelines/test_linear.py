"""A scheduler's steps as factors: what is predicted from every step lies at the end of its grid."""

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from chords_cli.errors import UsageError
from chords_cli.sampler import simulate, wavefront_plan
from chords_cli.sampler.fills import fills
from tests.unit.pipelines.test_jumps import (
    CASES,
    SDXL,
    Case,
    ddim_of_noise,
    draw,
    euler_in_sigma,
    solver_of,
)

STEPS = 12


@pytest.mark.parametrize("name", CASES)
def test_fills_lead_from_anywhere_to_what_all_predictions_agree_on(name: str) -> None:
    """On the last step the latent itself has no say, whatever the scheduler and its model."""
    _, solver = solver_of(CASES[name], STEPS)
    grid, plan = solver.linear_grid(), wavefront_plan(STEPS, 4, 6)
    for core in range(1, plan.cores):
        fill = fills(plan, core, grid)[-1]
        assert fill.carry == pytest.approx(0, abs=1e-5)
        assert fill.carry + sum(fill.slower.known.values()) + sum(
            fill.own.known.values()
        ) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_predictions_that_agree_do_not_blow_a_latent_up(name: str) -> None:
    _, solver = solver_of(CASES[name], STEPS)
    grid, plan = solver.linear_grid(), wavefront_plan(STEPS, 4, 6)
    for core in range(1, plan.cores):
        assert all(-1e-6 <= fill.carry <= 1 + 1e-6 for fill in fills(plan, core, grid))


STANDING = {
    "DDIM": lambda: DDIMScheduler(
        **SDXL | {"steps_offset": 0}, clip_sample=False, set_alpha_to_one=False
    ),
    "Euler": lambda: EulerDiscreteScheduler(
        **SDXL | {"steps_offset": 0}, final_sigmas_type="sigma_min"
    ),
}
"""Schedulers whose last step goes nowhere, because the grid ends where that step begins."""


@pytest.mark.parametrize("name", STANDING)
def test_a_last_step_that_stands_still_is_walked_like_any_other(name: str) -> None:
    case = Case(make=STANDING[name], closed=euler_in_sigma)
    plan, latent = wavefront_plan(STEPS, 3, STEPS), draw(0)
    _, solver = solver_of(case, STEPS)
    grid = solver.linear_grid()
    assert (grid.pulls[-1], grid.end_pull[-1]) == ((0,), 0)
    exact = latent
    for step in range(STEPS):
        exact = solver.fine(exact, draw(step + 1), step)
    outputs = simulate(
        plan,
        lambda _, step: draw(step + 1),
        latent,
        [0.0] * (STEPS + 1),
        solver=lambda _: solver_of(case, STEPS)[1],
    )
    for output in outputs[1:]:
        torch.testing.assert_close(output.latent, exact, rtol=1e-5, atol=1e-5)


def test_a_grid_that_is_not_finite_is_refused_by_its_step() -> None:
    _, solver = solver_of(
        Case(
            make=lambda: DDIMScheduler(
                **SDXL | {"timestep_spacing": "trailing"},
                clip_sample=False,
                rescale_betas_zero_snr=True,
            ),
            closed=ddim_of_noise,
        ),
        STEPS,
    )
    with pytest.raises(UsageError) as refused:
        solver.linear_grid()
    assert str(refused.value).startswith("step 0 of DDIMScheduler multiplies latents by ")
    assert "prediction_type" in refused.value.hint


@pytest.mark.parametrize("cores", [1, 2, 4])
@pytest.mark.parametrize("name", ["flow Euler", "UniPC flow", "DPM++ flow"])
def test_as_many_rounds_as_steps_are_the_sequential_result_on_every_core(
    name: str, cores: int
) -> None:
    exact, (_, solver) = draw(0), solver_of(CASES[name], STEPS)
    for step in range(STEPS):
        exact = solver.fine(exact, draw(step + 1), step)
    outputs = simulate(
        wavefront_plan(STEPS, cores, STEPS),
        lambda _, step: draw(step + 1),
        draw(0),
        [0.0] * (STEPS + 1),
        solver=lambda _: solver_of(CASES[name], STEPS)[1],
    )
    for output in outputs[1:]:
        torch.testing.assert_close(output.latent, exact, rtol=1e-5, atol=1e-5)
    assert torch.equal(outputs[-1].latent, exact)
