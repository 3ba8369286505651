"""How many rounds are usual, and what a run is told of them."""

import pytest

from chords_cli.sampler import default_rounds, wavefront_plan
from chords_cli.sampler.choice import DefaultPlan, PlanChoice, resolve_plan
from chords_cli.sampler.rounds import FEW_STEPS, caution, free_cores, useful_cores

GUIDANCES = (1.0, 1.5, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 7.5, 8.0, 9.0, 10.0)


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_more_cores_never_take_more_rounds_and_every_number_makes_a_plan(guidance: float) -> None:
    for steps in range(4, 101):
        usual = [default_rounds(steps, cores, guidance) for cores in range(1, 17)]
        assert usual == sorted(usual, reverse=True)
        for cores in (cores for cores in (1, 2, 3, 4, 8, 16) if cores <= steps):
            rounds = usual[cores - 1]
            assert wavefront_plan(steps, cores, rounds, guidance).rounds() == rounds


@pytest.mark.parametrize("cores", range(1, 17))
def test_stronger_guidance_and_more_steps_never_take_fewer_rounds(cores: int) -> None:
    for steps in range(FEW_STEPS + 1, 101):
        usual = [default_rounds(steps, cores, guidance) for guidance in GUIDANCES]
        assert usual == sorted(usual)
    for guidance in GUIDANCES:
        usual = [default_rounds(steps, cores, guidance) for steps in range(FEW_STEPS + 1, 50)]
        assert usual == sorted(usual)


def test_grids_of_few_steps_take_all_of_them() -> None:
    assert {default_rounds(steps, 4, 1.0) - steps for steps in range(1, FEW_STEPS + 1)} == {0}


@pytest.mark.parametrize(
    ("steps", "guidance", "rounds"),
    [
        (20, 4.0, [16, 12, 12, 12, 12]),
        (28, 4.0, [17, 13, 13, 12, 12]),
        (50, 4.0, [21, 16, 15, 14, 13]),
        (28, 1.0, [14, 10, 10, 9, 9]),
        (50, 8.0, [31, 26, 25, 24, 23]),
        (28, 8.0, [27, 23, 23, 22, 22]),
    ],
)
def test_usual_rounds_are_the_studied_ones(steps: int, guidance: float, rounds: list[int]) -> None:
    assert [default_rounds(steps, cores, guidance) for cores in (1, 2, 3, 4, 8)] == rounds


def test_guidance_below_one_counts_as_none() -> None:
    assert default_rounds(28, 4, 0.0) == default_rounds(28, 4, 1.0)


def test_a_run_is_told_that_few_steps_cannot_be_shared() -> None:
    told = caution(wavefront_plan(8, 4, 8))
    assert told is not None
    assert told.startswith("8 steps cannot be shared between cores: 4 take as long as one; ")
    assert caution(wavefront_plan(8, 1, 8)) is None
    strong = caution(wavefront_plan(20, 4, 20, 8.0))
    assert strong is not None
    assert strong.startswith("20 steps at guidance 8 cannot be shared between cores: ")


def test_a_run_is_told_that_its_rounds_are_few() -> None:
    assert caution(wavefront_plan(28, 4, 12, 4.0)) is None
    told = caution(wavefront_plan(28, 4, 8, 4.0))
    assert told is not None
    assert told.startswith("8 rounds are few for 28 steps at guidance 4: 12 are usual, ")


def test_a_run_is_told_where_more_cores_gain_nothing() -> None:
    told = caution(wavefront_plan(20, 8, 12, 4.0))
    assert told is not None
    assert told.startswith("8 cores came no closer than 4 in the study, for 20 steps at guidance 4")
    assert caution(wavefront_plan(50, 8, 13, 4.0)) is None


@pytest.mark.parametrize(
    ("steps", "guidance", "cores"),
    [
        (20, 4.0, 4),
        (28, 4.0, 8),
        (50, 4.0, 8),
        (28, 8.0, 4),
        (40, 8.0, 4),
        (50, 8.0, 8),
        (20, 1.0, 5),
    ],
)
def test_cores_that_would_gain_nothing_stay_free(steps: int, guidance: float, cores: int) -> None:
    default = DefaultPlan(steps=steps, cores=8, algo="wavefront", guidance=guidance)
    made = resolve_plan(default)
    assert made.cores == useful_cores(steps, 8, guidance) == cores
    told = free_cores(made, 8)
    if cores == 8:
        assert told is None
    else:
        assert told is not None
        assert told.startswith(f"{8 - cores} of 8 cores stay free: for {steps} steps at guidance ")
    asked = resolve_plan(default, PlanChoice(rounds=made.planned_rounds))
    assert asked.cores == 8


def test_up_to_four_cores_are_useful_always() -> None:
    for cores in range(1, 5):
        assert {useful_cores(steps, cores, g) for steps in (1, 8, 28) for g in GUIDANCES} == {cores}


def test_a_run_is_told_where_one_core_is_about_as_close() -> None:
    told = caution(wavefront_plan(28, 8, 9, 1.0))
    assert told is not None
    assert told.endswith("on one of the two models of the study: --cores 1 --rounds 9")
    for steps, cores, rounds in ((50, 2, 13), (28, 2, 10), (50, 4, 11), (50, 8, 10)):
        assert caution(wavefront_plan(steps, cores, rounds, 1.0)) is None
