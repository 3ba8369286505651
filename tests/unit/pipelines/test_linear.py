"""A scheduler's steps as factors: what is predicted from every step lies at the end of its grid."""

import pytest

from chords_cli.sampler import wavefront_plan
from chords_cli.sampler.wavefront import fills
from tests.unit.pipelines.test_jumps import CASES, solver_of

STEPS = 12


@pytest.mark.parametrize("name", CASES)
def test_fills_lead_from_anywhere_to_what_all_predictions_agree_on(name: str) -> None:
    """On the last step the latent itself has no say, whatever the scheduler and its model."""
    _, solver = solver_of(CASES[name], STEPS)
    grid, plan = solver.linear_grid(), wavefront_plan(STEPS, 4, 6)
    for core in range(1, plan.cores):
        fill = fills(plan, core, grid)[-1]
        assert fill.carry == pytest.approx(0, abs=1e-5)
        assert fill.carry + fill.slower + sum(fill.own.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_predictions_that_agree_do_not_blow_a_latent_up(name: str) -> None:
    _, solver = solver_of(CASES[name], STEPS)
    grid, plan = solver.linear_grid(), wavefront_plan(STEPS, 4, 6)
    for core in range(plan.cores):
        assert all(-1e-6 <= fill.carry <= 1 + 1e-6 for fill in fills(plan, core, grid))
