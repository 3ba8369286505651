"""A study that ends early goes on where it was, and never with another study's numbers."""

from pathlib import Path

import pytest

from benchmarks.study.measures import Row
from benchmarks.study.partial import Batch, Partial
from benchmarks.study.previews import Preview

SETTINGS = {"model": ["demo-image"], "rounds": [6, 9]}


def made(value: float) -> Batch:
    row = Row("demo-image", 4.0, "Euler", 1, "6 steps", [6], [6], [value], [30.0], [0.9], [False])
    return Batch([row], [Preview(4.0, 4, 15, 3, 12, "held", [value], [21.5])])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.json.partial"


def test_batches_are_there_when_the_study_starts_again(path: Path) -> None:
    first = Partial(path, SETTINGS)
    first.add(1, made(0.25))
    first.add(0, made(0.5))
    again = Partial(path, SETTINGS)
    assert again.batches == {1: made(0.25), 0: made(0.5)}
    again.add(2, made(1.0))
    assert list(Partial(path, SETTINGS).batches) == [1, 0, 2]


def test_a_line_that_was_cut_is_computed_again(path: Path) -> None:
    partial = Partial(path, SETTINGS)
    partial.add(0, made(0.5))
    partial.add(1, made(0.25))
    path.write_text(path.read_text()[:-20])
    again = Partial(path, SETTINGS)
    assert list(again.batches) == [0]
    again.add(1, made(0.25))
    assert Partial(path, SETTINGS).batches == {0: made(0.5), 1: made(0.25)}


def test_batches_of_other_settings_are_refused_and_stay(path: Path) -> None:
    Partial(path, SETTINGS).add(0, made(0.5))
    with pytest.raises(ValueError, match="other settings"):
        Partial(path, SETTINGS | {"rounds": [6]})
    assert list(Partial(path, SETTINGS).batches) == [0]


def test_nothing_is_written_without_a_path(tmp_path: Path) -> None:
    partial = Partial(None, SETTINGS)
    partial.add(0, made(0.5))
    partial.remove()
    assert partial.batches == {0: made(0.5)}
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_gone_once_the_study_is_whole(path: Path) -> None:
    partial = Partial(path, SETTINGS)
    partial.remove()
    assert not path.exists()
