"""Files from which the settings of a run are read (`--from-metadata`)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import made
from tests.fuzz.line import examples
from tests.fuzz.values import damaged, mutated, texts, values

OPTIONS = ("--devices", "cpu", "--dry-run")


@pytest.fixture(scope="module")
def image() -> made.Document:
    return made.recipe()


@pytest.fixture(scope="module")
def video() -> made.Document:
    return made.recipe("video")


def ask(line, name: str, data: bytes, kind: str = "image", *more: str) -> None:
    (line.folder / name).write_bytes(data)
    line(kind, "--from-metadata", name, *OPTIONS, *more)


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


def test_the_files_that_are_changed_here_are_used_as_they_are(line, image, video):
    for name, data, kind in (
        ("a.png", made.picture(image), "image"),
        ("a.mp4", made.clip(video), "video"),
        ("a.json", dumped(image), "image"),
        ("a.json", dumped(made.older(video)), "video"),
        ("a.gif", made.gif(json.dumps(video)), "video"),
        ("a.safetensors", made.latent(image), "image"),
    ):
        (line.folder / name).write_bytes(data)
        answer = line(kind, "--from-metadata", name, *OPTIONS)
        assert answer.code == 0, answer.err


@examples(10)
@given(data=st.data())
def test_a_recipe_with_other_values_is_used_or_refused(line, image, video, data):
    kind = data.draw(st.sampled_from(["image", "video"]))
    document = image if kind == "image" else video
    document = data.draw(mutated(data.draw(st.sampled_from([document, made.older(document)]))))
    ask(line, "a.json", dumped(document), kind)
    (line.folder / "a.png").write_bytes(made.bare_picture(chords=json.dumps(document)))
    line(kind, "--from-metadata", "a.png", "--model", f"demo-{kind}", *OPTIONS)


@examples(3)
@given(text=st.one_of(texts, values.map(json.dumps)))
def test_any_text_in_a_picture_is_refused(line, text):
    for name, data in (("a.png", made.bare_picture(chords=text)), ("a.gif", made.gif(text))):
        ask(line, name, data)


@examples(6)
@given(data=st.data())
def test_damaged_pictures_are_used_or_refused(line, image, data):
    whole = {"a.png": made.picture(image), "a.gif": made.gif(json.dumps(image))}
    name = data.draw(st.sampled_from([*whole]))
    ask(line, name, data.draw(damaged(whole[name])))


@examples(2)
@given(data=st.data())
def test_damaged_videos_are_used_or_refused(line, clip, data):
    ask(line, "a.mp4", data.draw(damaged(clip)), "video")


@pytest.fixture(scope="module")
def clip(video) -> bytes:
    return made.clip(video)


@examples(2)
@given(text=st.one_of(texts, values.map(json.dumps)))
def test_any_text_in_a_video_is_refused(line, text):
    ask(line, "a.mp4", made.clip_with(chords=text), "video")


BOMBS = {
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a": ' * 100_000,
    "a long number": b'{"seed": ' + b"9" * 10_000 + b"}",
    "no UTF-8": b'{"seed": "\xff"}',
    "a surrogate": b'{"prompt": "\\ud800"}',
    "UTF-16": '{"seed": 1}'.encode("utf-16"),
    "nothing": b"",
    "null": b"null",
    "a record without anything": b'{"command": "image"}',
    "a comparison without anything": b'{"command": "compare", "takes": [{"results": [{}]}]}',
    "a record of numbers": b'{"command": 1, "prompts": [{"output": 1}]}',
    "a record with a null byte": b'{"command": "image", "prompts": [{"output": "\\u0000"}]}',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_in_a_file_is_refused(line, bomb):
    ask(line, "a.json", BOMBS[bomb])
    ask(line, "a.png", made.bare_picture(chords=BOMBS[bomb].decode(errors="replace")))
    ask(line, "a.png", BOMBS[bomb])
    ask(line, "a.mp4", BOMBS[bomb])


@pytest.mark.parametrize("ending", ["json", "png", "mp4", "gif", "safetensors"])
def test_a_huge_file_is_refused_before_it_is_read(line, ending):
    with (line.folder / f"huge.{ending}").open("wb") as file:
        file.truncate(10**12)  # a hole: nothing of it is stored
    assert line("image", "--from-metadata", f"huge.{ending}", *OPTIONS).code == 2


def test_a_text_that_is_large_when_unpacked_is_refused(line):
    import zlib

    from PIL.PngImagePlugin import putchunk

    file = (line.folder / "a.png").open("wb")
    data = made.bare_picture()
    with file:
        file.write(data[:33])
        putchunk(file, b"zTXt", b"chords\0\0" + zlib.compress(b" " * 10**8))
        file.write(data[33:])
    assert line("image", "--from-metadata", "a.png", *OPTIONS).code == 2
