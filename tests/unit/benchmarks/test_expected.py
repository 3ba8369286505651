"""What users are told of the error is what the study's cells hold."""

from benchmarks.study.expected import expected, known_cells
from chords_cli.sampler.rounds import EXPECTED


def test_the_error_that_a_plan_tells_is_that_of_the_study() -> None:
    assert expected(known_cells()) == EXPECTED


def test_only_plans_that_save_rounds_count() -> None:
    assert all(median > 0 for median, _ in expected(known_cells()).values())
