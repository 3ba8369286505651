"""The peers' algorithms as the study simulates them: exact where they must be, honestly timed."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from benchmarks.study.peers import block_edges, paradigms, srds, srds_nfe, srds_rounds
from tests.doubles.problems import noise, shifted_sigmas, stiff_drift


@dataclass
class Stiff:
    """Three samples of a stiff problem; keeps count of what is evaluated."""

    steps: int
    noise: Tensor = field(default_factory=lambda: noise(3, 5))
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sigmas = shifted_sigmas(self.steps)
        self._drift = stiff_drift(self.sigmas)

    def evaluate(self, latents: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
        self.asked += list(zip(rows.tolist(), steps.tolist(), strict=True))
        pairs = zip(latents, steps.tolist(), strict=True)
        return torch.stack([self._drift(latent, step) for latent, step in pairs])

    def sequential(self) -> Tensor:
        latents = self.noise
        for step in range(self.steps):
            move = self.sigmas[step + 1] - self.sigmas[step]
            latents = latents + move * self._drift(latents, step)
        return latents


@pytest.mark.parametrize("cores", [1, 2, 8, 50])
def test_paradigms_without_tolerance_is_the_sequential_sampler(cores):
    ode = Stiff(30)
    made = paradigms(ode, cores, tolerance=0.0)
    assert torch.allclose(made.latents, ode.sequential(), rtol=0, atol=1e-12)
    assert all(-(-30 // cores) <= rounds <= 30 for rounds in made.rounds)


def test_paradigms_on_one_core_takes_a_round_a_step():
    made = paradigms(Stiff(20), 1, tolerance=0.1)
    assert made.rounds == made.nfe == [20, 20, 20]


def test_paradigms_that_tolerates_everything_moves_by_whole_windows():
    made = paradigms(Stiff(30), 8, tolerance=float("inf"))
    assert made.rounds == [4, 4, 4]
    assert made.nfe == [30, 30, 30]


def test_paradigms_is_closer_the_less_it_tolerates():
    ode = Stiff(50)
    loose, tight = (paradigms(ode, 8, tolerance) for tolerance in (1e-1, 1e-4))
    errors = [(made.latents - ode.sequential()).norm() for made in (loose, tight)]
    assert errors[1] < errors[0]
    assert max(loose.rounds) < min(tight.rounds)


def test_paradigms_counts_every_evaluation():
    ode = Stiff(25)
    made = paradigms(ode, 4, tolerance=0.01)
    assert made.nfe == [sum(row == sample for row, _ in ode.asked) for sample in range(3)]


def test_paradigms_of_a_sample_does_not_depend_on_the_others():
    together = paradigms(Stiff(25), 4, tolerance=0.01)
    alone = paradigms(Stiff(25, noise=noise(3, 5)[1:2]), 4, tolerance=0.01)
    assert torch.equal(together.latents[1], alone.latents[0])
    assert together.rounds[1] == alone.rounds[0]


@pytest.mark.parametrize("steps", [1, 4, 30, 50])
def test_srds_with_a_refinement_a_block_is_the_sequential_sampler(steps):
    ode = Stiff(steps)
    results = srds(ode, refinements=steps)
    assert len(results) == len(block_edges(steps))
    assert torch.allclose(results[-1], ode.sequential(), rtol=0, atol=1e-12)


def test_srds_before_any_refinement_is_the_coarse_solver():
    ode, coarse = Stiff(30), noise(3, 5)
    for start, stop in zip(block_edges(30), block_edges(30)[1:], strict=False):
        rows = torch.arange(3)
        drift = ode.evaluate(coarse, torch.full_like(rows, start), rows)
        coarse = coarse + (ode.sigmas[stop] - ode.sigmas[start]) * drift
    assert torch.allclose(srds(ode, 0)[0], coarse, rtol=0, atol=1e-12)


def test_srds_comes_closer_with_every_late_refinement():
    ode = Stiff(50)
    errors = [float((made - ode.sequential()).norm()) for made in srds(ode, 7)]
    assert errors[-1] < 1e-12 < errors[-2] < errors[0]


@pytest.mark.parametrize("steps", [4, 30, 50])
def test_srds_evaluates_what_its_schedule_counts(steps):
    for refinements in range(len(block_edges(steps))):
        ode = Stiff(steps)
        srds(ode, refinements)
        assert len(ode.asked) == 3 * srds_nfe(steps, refinements)


def test_srds_rounds_of_two_blocks_of_two_steps_by_hand():
    # round 1: both blocks' first edge; 2: the first block's fine step, the second's edge;
    # 3: the second's fine step from x_1^0, its edge from x_1^1; 4: its fine step from there
    assert [srds_rounds(4, 2, refinements) for refinements in range(3)] == [2, 3, 4]


def test_srds_before_any_refinement_takes_a_round_a_block_on_any_number_of_cores():
    assert {srds_rounds(50, cores, 0) for cores in (1, 2, 8)} == {7}


def test_srds_on_one_core_takes_a_round_an_evaluation():
    for refinements in range(8):
        assert srds_rounds(50, 1, refinements) == srds_nfe(50, refinements)


def test_srds_takes_longer_for_every_refinement():
    rounds = [srds_rounds(50, 4, refinements) for refinements in range(8)]
    assert rounds == sorted(set(rounds))


def test_srds_with_enough_cores_is_never_slower_than_the_sequential_sampler():
    assert srds_rounds(50, 50, 7) == 50


def test_srds_is_not_slower_on_more_cores():
    for refinements in range(8):
        rounds = [srds_rounds(50, cores, refinements) for cores in (1, 2, 4, 8, 16)]
        assert rounds == sorted(rounds, reverse=True)


def test_srds_on_too_few_cores_can_be_slower_than_the_sequential_sampler():
    assert srds_rounds(50, 2, 3) > 50
