"""Prompt files: one prompt a line, or one object a line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.line import examples
from tests.fuzz.values import damaged, mutated, texts, values

OPTIONS = ("--devices", "cpu", "--dry-run", "--cores", "2", "--steps", "8")
LINE = {"prompt": "a fox", "negative_prompt": "red", "seed": 3, "strength": 0.5, "image": "a.png"}


def ask(line, name: str, data: bytes) -> None:
    (line.folder / name).write_bytes(data)
    line("image", "--prompt-file", name, *OPTIONS)
    line("image", "--prompt-file", "-", *OPTIONS, input=data)


@examples(5)
@given(data=st.one_of(st.binary(max_size=60), st.lists(texts).map(lambda a: "\n".join(a).encode())))
def test_a_prompt_file_of_anything_is_used_or_refused(line, data):
    ask(line, "prompts.txt", data)


@examples(6)
@given(lines=st.lists(st.one_of(mutated(LINE), values, st.just({"prompt": "a"})), max_size=4))
def test_lines_of_any_objects_are_used_or_refused(line, lines):
    ask(line, "prompts.jsonl", "\n".join(map(json.dumps, lines)).encode())


@examples(5)
@given(data=damaged(b"\n".join([json.dumps(LINE).encode(), b"# no", b'{"prompt": "a"}'])))
def test_lines_of_damaged_bytes_are_used_or_refused(line, data):
    ask(line, "prompts.jsonl", data)


BOMBS = {
    "deep lists": "[" * 100_000,
    "a deep prompt": '{"prompt": ' + "[" * 100_000,
    "deep objects": '{"prompt": ' * 50_000,
    "a long number": '{"prompt": "a", "seed": ' + "9" * 10_000 + "}",
    "a number that is none": '{"prompt": "a", "strength": NaN}',
    "many keys": json.dumps({f"a{n}": n for n in range(20_000)}),
    "a long key": json.dumps({"a" * 100_000: 1}),
    "a surrogate": '{"prompt": "\\ud800"}',
    "a surrogate in a name": '{"prompt": "a", "image": "\\ud800.png"}',
    "a null byte in a name": '{"prompt": "a", "image": "\\u0000.png"}',
    "a surrogate in a key": '{"prompt": "a", "\\ud800": 1}',
    "a surrogate in what is unwanted": '{"prompt": "a", "negative_prompt": "\\ud800"}',
    "a long name": json.dumps({"prompt": "a", "image": "a" * 100_000}),
    "an unknown user": '{"prompt": "a", "image": "~nobody-of-that-name/a.png"}',
    "a folder": '{"prompt": "a", "image": "."}',
    "a device": '{"prompt": "a", "image": "/dev/zero"}',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_a_line_is_refused(line, bomb):
    ask(line, "prompts.jsonl", BOMBS[bomb].encode())


def test_a_prompt_file_that_never_ends_is_refused(line):
    answer = line("image", "--prompt-file", "/dev/zero", *OPTIONS)
    assert answer.code == 2


def test_a_huge_prompt_file_is_refused_before_it_is_read(line):
    with (line.folder / "huge.txt").open("wb") as file:
        file.truncate(10**12)  # a hole: nothing of it is stored
    assert line("image", "--prompt-file", "huge.txt", *OPTIONS).code == 2
