"""Sentences for the user: each once a job, and of sizes what was made."""

import pytest

from chords_cli.pipelines.said import Said, other_size


def test_a_sentence_is_told_once_a_job() -> None:
    told: list[str] = []
    said = Said(told.append)
    for _ in range(2):
        said.begin()
        said("one")
        said("two")
        said("one")
    assert told == ["one", "two"] * 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, None),
        ({"width": 128, "height": 112, "num_frames": 9}, None),
        ({"width": None, "height": None}, None),
        ({"width": 135, "height": 121}, "128x112, not 135x121"),
        ({"height": 121}, "128x112, not 128x121"),
        ({"num_frames": 8}, "9 frames, not 8"),
        ({"width": 135, "num_frames": 8}, "128x112 with 9 frames, not 135x112 with 8"),
    ],
)
def test_another_size_than_asked_for_is_said(asked: dict[str, int], words: str | None) -> None:
    said = other_size(asked, (9, 112, 128))
    assert said == (words and f"the pipeline rounded the size: it made {words}")
