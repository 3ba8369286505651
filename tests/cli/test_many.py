"""Many prompts on one group of cores: the next one begins while the one before is written."""

import json
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chords_cli.errors import ChordsError, Interrupted
from chords_cli.runs.generate.making import Making
from chords_cli.runs.outputs.saving import OutputSaver
from tests.waiting import HANG

LINE = ("image", "--model", "tiny", "--steps", 6, "--cores", 2, "--algo", "wavefront")
SMALL = ("--width", 32, "--height", 32, "--devices", "cpu")
PROMPTS = ("a cat", "a dog", "a fox", "a cow")

Ending = Callable[[OutputSaver, Any], None]


@pytest.fixture
def second_begins(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a second sample begins."""
    begin, begun, groups = Making._begin, threading.Event(), list[int]()

    def told(self: Making, group: int) -> None:
        begin(self, group)
        groups.append(group)
        if len(groups) > 1:
            begun.set()

    monkeypatch.setattr(Making, "_begin", told)
    return begun


def read(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "run.json").read_text())["prompts"]


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def test_a_picture_of_many_is_the_one_that_its_prompt_makes_alone(
    command: Any, tmp_path: Path
) -> None:
    answer = command(*LINE, *SMALL, *PROMPTS, "--output", "many", cwd=tmp_path)
    command(*LINE, *SMALL, PROMPTS[2], "--output", "alone", cwd=tmp_path)
    (alone,) = pictures(tmp_path / "alone").values()
    assert [*pictures(tmp_path / "many").values()][2] == alone
    done = re.findall(r"^(\d/\d) done in ", answer.err, re.MULTILINE)
    assert done == ["1/4", "2/4", "3/4", "4/4"]
    assert answer.err.count("/4: output 1 from core 1 after") == 4
    assert [sample["prompt"] for sample in read(tmp_path / "many")] == [*PROMPTS]


def test_an_error_of_the_first_picture_while_the_second_is_made_keeps_its_latent(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second_begins: threading.Event
) -> None:
    def full(self: OutputSaver, output: Any) -> None:
        assert second_begins.wait(HANG)
        raise ChordsError("the disk is full", "make room")

    with monkeypatch.context() as disk:
        disk.setattr(OutputSaver, "save", full)
        line = (*LINE, *SMALL, *PROMPTS, "--output", "full")
        answer = command(*line, cwd=tmp_path, code=1)
    kept = sorted(path.name for path in (tmp_path / "full").iterdir())
    assert all(name.endswith(".safetensors") for name in kept)
    assert kept[0].startswith("0001")
    assert "error: the disk is full" in answer.err
    assert f"chords image --from-latent full/{kept[0]}" in answer.err
    command(*line, "--resume", cwd=tmp_path)
    assert [sample["prompt"] for sample in read(tmp_path / "full")] == [*PROMPTS]


@pytest.mark.parametrize("written", [False, True], ids=["before it is written", "once it is"])
def test_an_interrupt_while_two_samples_are_under_way_counts_what_is_written(
    written: bool,
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    second_begins: threading.Event,
) -> None:
    save, saved = OutputSaver.save, list[int]()

    def cut(self: OutputSaver, output: Any) -> None:
        saved.append(output.index)
        if len(saved) < 2:
            assert second_begins.wait(HANG)
            return save(self, output)
        if written:
            save(self, output)
        raise Interrupted(signal.SIGINT)

    with monkeypatch.context() as world:
        world.setattr(OutputSaver, "save", cut)
        line = (*LINE, *SMALL, *PROMPTS, "--output", "cut")
        answer = command(*line, cwd=tmp_path, code=130)
    count = 2 if written else 1
    are = "are" if written else "is"
    assert f"interrupted: {count} of 4 images {are} kept in cut" in answer.err
    before = pictures(tmp_path / "cut")
    assert len(before) == count
    again = command(*line, "--resume", cwd=tmp_path)
    assert again.err.count("was made before") == count
    assert [sample["prompt"] for sample in read(tmp_path / "cut")] == [*PROMPTS]
    assert before.items() <= pictures(tmp_path / "cut").items()
