"""A study goes on where it was, never with numbers of other code, and its files stay small."""

import json
import random
from pathlib import Path

import pytest

from benchmarks.study.cells import Arm, Cell, Row, Store, cells, rounded
from benchmarks.study.models import EARLIER, PROMPTS_OF, asked, bare

CELL = Cell("demo-image", 28, 4.0)
FOUR, EULER = Arm("wavefront", 4, 12), Arm("Euler", 1, 12)


def test_what_is_known_is_read_again(tmp_path: Path) -> None:
    store = Store(CELL, "this code")
    store.add(0, {FOUR: Row(45, [0.25, 0.5]), EULER: Row(12, [1.0, 2.0], {"told": [0.1, 0.2]})})
    store.write(tmp_path)
    assert Store.read(CELL, tmp_path, "this code") == store
    assert [file.name for file in tmp_path.iterdir()] == ["demo-image-T28-g4.json"]
    assert json.loads((tmp_path / "demo-image-T28-g4.json").read_text())["steps"] == 28


def test_numbers_of_other_code_are_computed_again_unless_they_are_only_shown(tmp_path: Path):
    store = Store(CELL, "other code")
    store.add(0, {FOUR: Row(45, [0.25])})
    store.write(tmp_path)
    assert Store.read(CELL, tmp_path, "this code").rows == {}
    assert Store.read(CELL, tmp_path).rows == store.rows


def test_only_what_lacks_a_prompt_is_missing() -> None:
    store = Store(CELL, "")
    store.add(0, {FOUR: Row(45, [0.1] * 16), EULER: Row(12, [0.1] * 16)})
    store.add(16, {FOUR: Row(45, [0.1] * 8)})
    assert store.missing([FOUR, EULER], 0, 16) == []
    assert store.missing([FOUR, EULER], 16, 8) == [EULER]
    assert store.missing([FOUR, EULER], 16, 16) == [FOUR, EULER]


def test_batches_come_in_any_order() -> None:
    store = Store(CELL, "")
    store.add(2, {FOUR: Row(45, [0.3, 0.4], {"told": [3.0, 4.0]})})
    assert store.missing([FOUR], 0, 2) == [FOUR]
    store.add(0, {FOUR: Row(45, [0.1, 0.2], {"told": [1.0, 2.0]})})
    assert store.rows[FOUR] == Row(45, [0.1, 0.2, 0.3, 0.4], {"told": [1.0, 2.0, 3.0, 4.0]})


def test_cells_in_which_most_people_sample_come_first() -> None:
    first, *others = cells(["demo-image"], [20, 28], [1.0, 4.0])
    assert first == CELL
    assert [cell.name for cell in others] == [
        "demo-image-T20-g4",
        "demo-image-T20-g1",
        "demo-image-T28-g1",
    ]


def test_numbers_have_five_digits() -> None:
    assert rounded([0.0123456789, 12.3456789, 0.0]) == [0.012346, 12.346, 0.0]


@pytest.mark.parametrize("name", PROMPTS_OF)
def test_prompts_are_new_ones_with_noise_of_their_own(name: str) -> None:
    drawn = PROMPTS_OF[name](random.Random(EARLIER))
    earlier = {next(drawn) for _ in range(64)}
    tuned, several = asked(name, 64, "tuning"), asked(name, 20)
    assert asked(name, 5) == several[:5]
    assert len({one.prompt for one in several} - earlier - {one.prompt for one in tuned}) == 20
    assert len({one.seed for one in [*several, *tuned]}) == 84


def test_words_about_code_do_not_make_it_other_code() -> None:
    code = 'def f(x):\n    """Adds."""\n    return x + 1\n'
    assert bare(code) == bare(code.replace("Adds.", "Adds one.") + "# a comment\n")
    assert bare(code) != bare(code.replace("1", "2"))
