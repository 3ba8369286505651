"""What the study compares: every arm is a way to the sequential result, and none costs more."""

import pytest
import torch

from benchmarks.study.arms import FEW_STEPS, LONE, NAMES, USUAL, arms, halfway, made, uniform
from benchmarks.study.cells import BATCH, PROMPTS, Arm, Cell
from benchmarks.study.work import Wanted, measured
from tests.unit.benchmarks.problems import FAMILIES, STEPS, problem

CELL = Cell("demo-image", STEPS, 4.0)


@pytest.fixture(scope="module", params=FAMILIES)
def recorded(request):
    with torch.inference_mode():
        return problem(request.param)


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


def test_every_arm_makes_a_distance_of_every_prompt(recorded):
    asked = arms(CELL, [1, 2, 4], [0, -2], NAMES)
    assert {arm.name for arm in asked} == {*NAMES}
    rows = measured(recorded, asked, 4.0)
    assert list(rows) == asked
    for arm, row in rows.items():
        assert len(row.rmse) == 3, arm
        assert all(0 < value < 10 for value in row.rmse if arm.rounds < STEPS), arm
        assert row.evaluations >= arm.rounds


@pytest.mark.parametrize("name", ["one core", *LONE])
def test_one_core_that_visits_every_step_is_the_sequential_sampler(recorded, name):
    exact = made(Arm(name, 1, STEPS), recorded, 4.0)
    assert torch.allclose(exact.latents, recorded.path[-1], rtol=0, atol=1e-5)


def test_one_of_the_few_step_samplers_is_the_models_own(recorded):
    own = [made(Arm(name, 1, STEPS), recorded, 4.0).latents for name in FEW_STEPS]
    assert any(torch.equal(one, recorded.path[-1]) for one in own)


def test_only_prompts_of_one_device_differ_from_their_rounds(recorded):
    row = measured(recorded, [Arm("ParaDiGMS 0.02", 2, 0)], 4.0).popitem()[1]
    assert len(row.more["rounds"]) == 3


def test_every_number_of_rounds_has_its_rows_of_one_device():
    asked = arms(Cell("demo-image", 50, 4.0), [1, 2, 4, 8], [-2, 0])
    planned = {arm.rounds for arm in asked if arm.name in ("wavefront", "one core")}
    for name in ("one core", *FEW_STEPS):
        assert {arm.rounds for arm in asked if arm.name == name} == planned
    assert {arm.cores for arm in asked if arm.name == "chords"} == {2, 4, 8}
    assert len(asked) == len({*asked})


def test_most_prompts_are_sampled_where_most_people_sample():
    wanted, usual = Wanted([1, 2, 3, 4, 8], [0], USUAL), Cell("demo-video", 28, 4.0)
    assert sum(count for _, count in wanted.batches(usual)) == PROMPTS
    assert sum(count for _, count in wanted.batches(Cell("demo-video", 20, 4.0))) == BATCH
    later = wanted.of(usual, BATCH)
    assert {*later} < {*wanted.of(usual, 0)}
    assert {arm.cores for arm in later if arm.name == "wavefront"} == {2, 4}


def test_asked_for_so_many_prompts_all_arms_sample_them():
    wanted = Wanted([1, 8], [0], USUAL, prompts=20)
    assert wanted.batches(CELL) == [(0, 16), (16, 4)]
    assert wanted.of(CELL, 16) == wanted.of(CELL, 0)


def test_meshes_begin_at_the_noise_and_never_stand_still():
    assert uniform(28, 4) == (0, 9, 18, 27)
    walk = halfway((0, 1, 2, 20), uniform(28, 4))
    assert walk == (0, 5, 10, 24)
    assert halfway((0, 1, 2), (0, 0, 1)) == (0, 1, 2)
