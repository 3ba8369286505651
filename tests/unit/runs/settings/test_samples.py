import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chords_cli.runs.settings.samples import PlannedSample, planned_samples, slug


def test_take_n_of_every_prompt_uses_the_runs_seed_plus_n():
    made = planned_samples(["cat", "dog"], num=2, seed=42)
    assert [(t.number, t.prompt, t.seed) for t in made] == [
        (1, "cat", 42),
        (2, "cat", 43),
        (3, "dog", 42),
        (4, "dog", 43),
    ]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A red circle, left of a blue square!", "a-red-circle-left-of-a-blue-square"),
        ("../../etc/passwd", "etc-passwd"),
        ("CON\x00\n<>:|?*", "con"),
        ("Café à la crème", "cafe-a-la-creme"),
        ("一只猫", "prompt"),
        ("...", "prompt"),
        ("x" * 300, "x" * 40),
        (
            "one two three four five six seven eight nine ten",
            "one-two-three-four-five-six-seven-eight",
        ),
    ],
)
def test_slug_of_a_prompt_is_short_and_readable(prompt, expected):
    assert slug(prompt) == expected


@given(st.text(max_size=200))
def test_slug_of_any_text_is_safe_in_a_file_name(prompt):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(prompt))
    assert len(slug(prompt)) <= 40


def test_names_carry_number_prompt_and_seed_and_for_others_output_and_core():
    sample = PlannedSample(7, "a cat", 42)
    assert sample.name("png") == "0007-a-cat-s42.png"
    assert sample.name("png", 2, 1) == "0007-a-cat-s42-output2-core1.png"
