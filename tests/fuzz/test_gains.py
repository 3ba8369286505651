"""The user's measured gains, whatever is in their file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.line import examples
from tests.fuzz.test_presets import BOMBS, YAML
from tests.fuzz.values import damaged, mutated, values

GAINS = {"split": 1.8, "context": {2: 1.5, 4: 2.5}}


def ask(line, data: bytes) -> int:
    folder = line.folder / "config" / "chords"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gains.yaml").write_bytes(data)
    return line("plan", "--devices", "8", "--model", "wan2-1").code


@examples(5)
@given(document=mutated(GAINS))
def test_gains_with_other_values_are_used_or_refused(line, document):
    import yaml

    ask(line, yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


@examples(5)
@given(
    data=st.one_of(
        YAML.map(str.encode),
        damaged(b"split: 1.8\ncontext: {2: 1.5}\n"),
        values.map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_gains_are_used_or_refused(line, data):
    ask(line, data)


@pytest.mark.parametrize("bomb", [*BOMBS][::4])  # the same reader reads presets
def test_a_bomb_of_gains_is_refused(line, bomb):
    data = BOMBS[bomb]
    assert ask(line, data if isinstance(data, bytes) else data.encode()) == 2
