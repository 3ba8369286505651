"""Several studies shown as one: nothing twice, nothing mixed up, lines in a readable order."""

import pytest

from benchmarks.study.measures import Row, distinct
from benchmarks.study.report import table


def row(arm: str, cores: int, rounds: int, rmse: float = 0.5) -> Row:
    setting = f"{rounds} rounds"
    return Row(
        "demo-image", 4.0, arm, cores, setting, [rounds], [rounds], [rmse], [30.0], [0.9], [False]
    )


def test_an_arm_of_two_studies_is_shown_once_when_its_numbers_agree() -> None:
    assert distinct([row("sequential", 1, 50), row("Euler", 1, 6), row("sequential", 1, 50)]) == [
        row("sequential", 1, 50),
        row("Euler", 1, 6),
    ]


def test_an_arm_of_two_studies_is_refused_when_its_numbers_differ() -> None:
    with pytest.raises(ValueError, match=r"wavefront K=4 15 rounds on demo-image at guidance 4"):
        distinct([row("wavefront", 4, 15), row("wavefront", 4, 15, rmse=0.25)])


def test_a_table_is_ordered_by_arm_then_cores_then_rounds() -> None:
    rows = [
        row("Euler", 1, 33),
        row("wavefront", 8, 6),
        row("wavefront", 4, 15),
        row("Euler", 1, 9),
    ]
    lines = table(rows).splitlines()[2:6]
    assert [line.split()[:3] for line in lines] == [
        ["Euler", "9", "rounds"],
        ["Euler", "33", "rounds"],
        ["wavefront", "K=4", "15"],
        ["wavefront", "K=8", "6"],
    ]
