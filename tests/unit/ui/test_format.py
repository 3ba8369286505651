"""How numbers, plans and devices are written."""

import pytest

from chords_cli.sampler import chords_plan, sequential_plan, wavefront_plan
from chords_cli.sampler.stop import StopRule
from chords_cli.ui.format import clock, duration, headline, places, promise, residual, size, small


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.8449, "0.84 s"), (12.34, "12.3 s"), (65, "1:05"), (3723, "1:02:03")],
)
def test_duration_has_three_digits_or_a_clock(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(7.9, "0:07"), (750, "12:30"), (3723, "1:02:03")])
def test_clock_counts_whole_seconds(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(512, "512 B"), (16_200_000, "16.2 MB"), (23_800_000_000, "23.8 GB")]
)
def test_size_is_written_in_powers_of_ten(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0000"), (0.01234, "0.0123"), (0.000014, "1.4e-05")]
)
def test_small_values_keep_their_digits(value, text):
    assert small(value) == text


def test_headline_names_algorithm_starts_cores_and_steps():
    plan = chords_plan(50, (0, 8, 16, 32))
    assert headline(plan) == "chords 0-8-16-32 · 4 cores · 50 steps"
    assert headline(sequential_plan(1)) == "sequential · 1 core · 1 step"


def test_promise_tells_rounds_and_speedup_where_they_are_known():
    plan = chords_plan(50, (0, 8, 16, 32))
    text = "output 1 after 21 rounds: ideally 2.38x sooner"
    assert promise(plan, StopRule(index=1)) == text
    rule = StopRule("residual", residual=0.05)
    told = "the first output that differs less than 0.05 from the one before it"
    assert promise(plan, rule) == told


def test_a_residual_names_what_it_is_the_distance_to():
    assert residual(4, 0.0525, StopRule()) == "differs by 0.0525 from output 3"
    assert residual(0, None, StopRule()) == ""


def test_the_distance_to_the_preview_is_told_where_it_decides():
    assert residual(1, 0.4681, StopRule(index=1)) == ""
    rule = StopRule("residual", residual=0.05)
    assert residual(1, 0.4681, rule) == "differs by 0.4681 from the preview"


def test_promise_says_where_nothing_is_gained():
    text = "output 1 after 4 rounds, one for each step: no sooner than one core"
    assert promise(wavefront_plan(4, 4, 4), StopRule(index=1)) == text
    alone = promise(sequential_plan(50), StopRule(index=1))
    assert alone == "output 1 after 50 rounds, one for each step"


def test_places_names_few_devices_and_counts_many():
    assert places(["cpu"] * 4) == "cpu"
    assert places(["cuda:0", "cuda:1"]) == "cuda:0, cuda:1"
    assert places([f"cuda:{n}" for n in range(8)]) == "8 devices"
