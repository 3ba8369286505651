"""What an earlier run has left in its folder (`--resume`)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import made
from tests.fuzz.line import examples
from tests.fuzz.values import damaged, mutated, values

OPTIONS = ("--devices", "cpu", "--dry-run", "--output", "out", "--resume")
SETTINGS = ("--cores", "2", "--steps", "8")


@pytest.fixture(scope="module")
def record() -> made.Document:
    return made.record()


@pytest.fixture(scope="module")
def folder(line):
    (line.folder / "out").mkdir()
    (line.folder / "out" / "0001-a-fox-s42.png").write_bytes(made.picture(made.recipe()))
    return line.folder / "out"


def ask(line) -> set[int]:
    """Goes on with and without saying with what; returns the exit codes."""
    asked = (
        OPTIONS,
        ("a fox", "a cat", *SETTINGS, *OPTIONS),
        ("--from-metadata", "out/run.json", "--devices", "cpu", "--dry-run"),
    )
    return {line("image", *one).code for one in asked}


def test_the_record_that_is_changed_here_is_used_as_it_is(line, folder, record):
    for document in (record, made.older(record)):
        (folder / "run.json").write_text(json.dumps(document))
        answer = line("image", *SETTINGS, *OPTIONS, "--json")
        assert [sample["done"] for sample in json.loads(answer.out)["prompts"]] == [True, False]


@examples(10)
@given(data=st.data())
def test_a_record_with_other_values_is_used_or_refused(line, folder, record, data):
    document = data.draw(mutated(data.draw(st.sampled_from([record, made.older(record)]))))
    (folder / "run.json").write_text(json.dumps(document))
    ask(line)


@examples(3)
@given(data=st.data())
def test_a_damaged_record_is_used_or_refused(line, folder, record, data):
    (folder / "run.json").write_bytes(data.draw(damaged(json.dumps(record).encode())))
    ask(line)


@examples(6)
@given(data=st.data())
def test_a_journal_with_other_lines_is_used_or_refused(line, folder, record, data):
    (folder / "run.json").write_text(json.dumps(record))
    sample = record["prompts"][0]
    lines = data.draw(st.lists(st.one_of(mutated(sample), values).map(json.dumps), max_size=3))
    text = "".join(f"{one}\n" for one in lines).encode()
    (folder / "run.jsonl").write_bytes(data.draw(st.one_of(st.just(text), damaged(text))))
    ask(line)
    (folder / "run.jsonl").unlink()


@examples(3)
@given(data=st.data())
def test_a_picture_with_another_recipe_is_used_or_refused(line, folder, data):
    for file in folder.glob("run.*"):
        file.unlink()
    document = data.draw(mutated(made.recipe()))
    picture = made.bare_picture(chords=json.dumps(document))
    (folder / "0001-a-fox-s42.png").write_bytes(picture)
    ask(line)


BOMBS = {
    "deep lists": "[" * 100_000,
    "deep objects": '{"prompts": ' * 100_000,
    "a long number": '{"cores": ' + "9" * 10_000 + "}",
    "nothing": "",
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", ["run.json", "run.jsonl"])
def test_a_bomb_in_a_record_is_refused(line, folder, record, bomb, name):
    (folder / "run.json").write_text(json.dumps(record))
    (folder / name).write_text(BOMBS[bomb] + "\n")
    codes = ask(line)
    assert codes == {2} if name == "run.json" else 2 in codes
    (folder / name).unlink()


@pytest.mark.parametrize("name", ["run.json", "run.jsonl"])
def test_a_huge_record_is_refused_before_it_is_read(line, folder, record, name):
    (folder / "run.json").write_text(json.dumps(record))
    with (folder / name).open("wb") as file:
        file.truncate(10**12)  # a hole: nothing of it is stored
    assert line("image", "a fox", *SETTINGS, *OPTIONS).code == 2
    (folder / name).unlink()


@pytest.mark.parametrize("name", ["run.json", "run.jsonl"])
def test_a_record_without_an_end_is_refused_or_passed_over(line, folder, record, name):
    (folder / "run.json").write_text(json.dumps(record))
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("/dev/zero")
    ask(line)
    assert line("image", "a fox", *SETTINGS, *OPTIONS).code == (2 if name == "run.json" else 0)
    (folder / name).unlink()


@pytest.mark.parametrize("name", ["run.json", "run.jsonl"])
def test_a_record_that_is_no_file_is_refused_or_passed_over(line, folder, record, name):
    (folder / "run.json").write_text(json.dumps(record))
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    ask(line)
    (folder / name).rmdir()
