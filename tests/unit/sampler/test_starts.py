"""Default starts: published where they exist, valid everywhere."""

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import PlanError
from chords_cli.sampler import chords_plan, default_init_t


@pytest.mark.parametrize(
    ("cores", "published"),
    [
        (4, (0, 8, 16, 32)),
        (6, (0, 3, 6, 12, 24, 36)),
        (8, (0, 2, 4, 8, 16, 24, 32, 40)),
    ],
)
def test_fifty_steps_start_as_published(cores, published):
    assert default_init_t(50, cores) == published


def test_defaults_are_valid_for_every_grid_and_every_number_of_cores():
    for steps in range(1, 121):
        for cores in range(1, steps + 1):
            starts = default_init_t(steps, cores)
            where = f"T={steps}, K={cores}: {starts}"
            assert len(starts) == cores, where
            assert starts[0] == 0, where
            assert starts[-1] < steps, where
            assert list(starts) == sorted(set(starts)), where
            assert all(type(start) is int for start in starts), where


def test_defaults_make_a_plan():
    for steps in (1, 2, 3, 5, 28, 30, 50, 100):
        for cores in range(1, min(steps, 16) + 1):
            assert chords_plan(steps, default_init_t(steps, cores)).cores == cores


def test_more_cores_of_the_default_are_never_slower_up_to_eight():
    for steps in (28, 30, 40, 50, 100):
        rounds = [chords_plan(steps, default_init_t(steps, k)).rounds() for k in range(1, 9)]
        assert rounds == sorted(rounds, reverse=True), f"T={steps}"


def test_one_core_starts_at_0():
    assert default_init_t(50, 1) == (0,)


def test_as_many_cores_as_steps_start_everywhere():
    assert default_init_t(7, 7) == tuple(range(7))


def test_eight_cores_on_28_steps_are_2_15_times_as_fast():
    assert round(chords_plan(28, default_init_t(28, 8)).speedup(), 2) == 2.15


@pytest.mark.parametrize(
    ("steps", "cores", "message", "hint"),
    [
        (0, 1, "steps is 0, but a grid has at least 1 step", "try --steps 50"),
        (50, 0, "cores is 0, but a run has at least 1 core", "try --cores 4"),
        (50, -2, "cores is -2, but a run has at least 1 core", "try --cores 4"),
        (
            4,
            8,
            "cores is 8, but 4 steps allow at most 4 cores",
            "use --cores 4 or fewer, or more --steps",
        ),
    ],
)
def test_impossible_numbers_are_refused_in_these_words(steps, cores, message, hint):
    with pytest.raises(PlanError) as refusal:
        default_init_t(steps, cores)
    assert refusal.value.spelled(as_option) == (message, hint)
