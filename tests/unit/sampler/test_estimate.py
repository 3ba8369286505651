"""What a run tells of its own error, against the error that it has."""

import pytest
import torch
from torch import Tensor

from chords_cli.sampler import chords_plan, simulate, wavefront_plan
from chords_cli.sampler.core import Move
from chords_cli.sampler.estimate import WITHIN, estimated_error
from tests.doubles.problems import noise, shifted_sigmas

PLAN = wavefront_plan(28, 4, 12)


def test_the_largest_correction_of_the_three_rounds_before_the_last_counts() -> None:
    moved = {(core, round): 0.001 for core in range(1, 4) for round in range(12)}
    moved |= {(2, 8): 0.004, (3, 11): 9.0, (1, 7): 9.0, (1, 30): 9.0}
    assert estimated_error(PLAN, 1, moved) == WITHIN * 0.004


@pytest.mark.parametrize(
    ("plan", "index"),
    [
        (wavefront_plan(28, 2, 13), 1),
        (wavefront_plan(28, 1, 13), 1),
        (PLAN, 0),
        (PLAN, 4),
        (wavefront_plan(28, 4, 28), 1),
        (chords_plan(28, (0, 4, 8, 16)), 1),
    ],
)
def test_nothing_is_said_where_it_does_not_hold(plan, index) -> None:
    moved = {(core, round): 0.001 for core in range(1, 4) for round in range(28)}
    assert estimated_error(plan, index, moved) is None


def test_nothing_is_said_where_no_core_knows_what_is_kept() -> None:
    assert estimated_error(PLAN, 1, {}) is None


def bent(latent: Tensor, step: int) -> Tensor:
    """A drift towards one of two samples, whichever the latent is nearer to."""
    sigma = shifted_sigmas(28)[step]
    return (latent - torch.tanh(latent / sigma)) / sigma


def test_the_estimate_covers_the_error_and_falls_with_it() -> None:
    sigmas, told, real = shifted_sigmas(28), [], []
    for rounds in (12, 16, 20):
        plan, moved = wavefront_plan(28, 4, rounds), {}

        def note(core: int, round: int, move: Move, moved: dict = moved) -> None:
            if move.correction and move.kept:
                moved[core, round] = float(move.correction().max()) / move.kept

        outputs = simulate(plan, bent, noise(4, 16), sigmas, on_move=note)
        apart = (outputs[1].latent - outputs[-1].latent).square().mean(1).sqrt()
        real.append(float(apart.max()))
        told.append(estimated_error(plan, 1, moved))
    assert all(error <= within for error, within in zip(real, told, strict=True))
    assert told == sorted(told, reverse=True)


def test_a_core_that_the_slower_one_agrees_with_was_not_corrected() -> None:
    """Predictions that never change: whoever corrects finds nothing to correct."""
    sigmas, moved = shifted_sigmas(20), []
    wanted = noise(2, 5, seed=3)
    simulate(
        wavefront_plan(20, 4, 9),
        lambda latent, step: (latent - wanted) / sigmas[step],
        noise(2, 5),
        sigmas,
        on_move=lambda core, at, move: moved.append(move.correction and move.correction()),
    )
    found = torch.stack([one for one in moved if one is not None])
    assert found.shape[1] == 2
    assert found.max() < 1e-6
