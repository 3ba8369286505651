"""Latents that are to be decoded (`--from-latent`)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import made
from tests.fuzz.line import examples
from tests.fuzz.values import damaged, mutated, values


@pytest.fixture(scope="module")
def recipe() -> made.Document:
    return made.recipe()


@pytest.fixture(autouse=True, scope="module")
def _no_cores():
    """Ends a command as success where it would start processes."""
    from chords_cli.engine import pool

    with pytest.MonkeyPatch.context() as world:
        world.setattr(pool.Pool, "__init__", _accept)
        yield


def _accept(*given: object) -> None:
    raise SystemExit(0)


def ask(line, data: bytes) -> set[int]:
    """Decodes it in three ways; returns the exit codes."""
    (line.folder / "a.safetensors").write_bytes(data)
    options = ("--devices", "cpu", "--output", "out")
    return {
        line("image", "--from-latent", "a.safetensors", *options, *more).code
        for more in ((), ("--dry-run",), ("--model", "demo-image"))
    }


def container(header: object, data: bytes = b"\0" * 16) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@examples(8)
@given(data=st.data())
def test_a_latent_with_another_header_is_used_or_refused(line, recipe, data):
    tensor = {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16]}
    header = {"latent": tensor, "__metadata__": {"chords": json.dumps(recipe)}}
    ask(line, container(data.draw(mutated(header))))


@examples(3)
@given(data=st.data())
def test_a_latent_with_another_recipe_is_used_or_refused(line, recipe, data):
    ask(line, made.latent(data.draw(mutated(recipe))))


@examples(3)
@given(data=st.data())
def test_a_damaged_latent_is_used_or_refused(line, recipe, data):
    ask(line, data.draw(damaged(made.latent(recipe))))


@examples(2)
@given(header=values)
def test_any_header_is_refused(line, header):
    assert ask(line, container(header)) == {2}


def test_the_latent_of_any_core_is_decoded_by_one(line, recipe):
    document = recipe | {"output": recipe["output"] | {"index": 2}}
    assert ask(line, made.latent(document)) == {0}


BOMBS = {
    "a header that is longer than the file": (10**7).to_bytes(8, "little") + b"{}",
    "a header of 2^64 bytes": b"\xff" * 8 + b"{}",
    "deep lists": (100_000).to_bytes(8, "little") + b"[" * 100_000,
    "nothing": b"",
    "a pickle": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x05posix\x94.",
    "an archive of torch": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_a_latent_is_refused(line, bomb):
    assert ask(line, BOMBS[bomb]) == {2}
