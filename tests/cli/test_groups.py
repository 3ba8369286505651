"""Several pictures at a time, as the command makes them; devices are the CPU, four times."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from chords_cli.engine import devices
from chords_cli.errors import ChordsError, Interrupted
from chords_cli.runs.outputs.saving import OutputSaver

LINE = ("image", "--model", "tiny", "--steps", 4, "--width", 32, "--height", 32)
PROMPTS = ("a cat", "a dog", "a fox", "a cow", "a hen", "a pig", "a bat", "an owl")


@pytest.fixture(autouse=True)
def _four_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available_devices", lambda: ("cpu",) * 4)


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def test_pictures_are_made_four_at_a_time_and_each_can_be_made_again_alone(
    command: Any, tmp_path: Path
) -> None:
    answer = command(*LINE, *PROMPTS, "--output", "many", cwd=tmp_path)
    assert "4 devices: 4 pictures at a time, 1 core each, all 4 steps, ideally 4x" in answer.err
    assert "4 at a time · sequential · 1 core · 4 steps" in answer.err
    record = read(tmp_path / "many")
    assert (record["groups"], record["cores"], record["devices"]) == (4, 1, ["cpu"] * 4)
    assert [sample["prompt"] for sample in record["prompts"]] == list(PROMPTS)
    assert len(record["components"]) == 4
    picture = record["prompts"][4]["output"]
    source = tmp_path / "many" / picture
    command("image", "--from-metadata", source, "--output", "again", cwd=tmp_path)
    again = read(tmp_path / "again")
    assert "groups" not in again
    made_alone = tmp_path / "again" / again["prompts"][0]["output"]
    assert made_alone.read_bytes() == source.read_bytes()


def test_a_run_that_is_resumed_with_more_pictures_keeps_what_it_has(
    command: Any, tmp_path: Path
) -> None:
    line = (*LINE, "a cat", "--output", "grown")
    command(*line, "--num", 2, cwd=tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "grown").glob("*.png")}
    answer = command(*line, "--num", 5, "--resume", cwd=tmp_path)
    assert "number 1 was made before" in answer.err
    record = read(tmp_path / "grown")
    assert len(record["prompts"]) == 5
    for name, content in before.items():
        assert (tmp_path / "grown" / name).read_bytes() == content


def test_an_interrupted_run_counts_every_picture_that_it_has_written(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = OutputSaver.save, list[Path]()

    def interrupted(self: OutputSaver, output: Any) -> None:
        save(self, output)
        saved.extend((tmp_path / "cut").glob("*.png"))
        if len(set(saved)) == 3:
            raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(OutputSaver, "save", interrupted)
    line = (*LINE, *PROMPTS, "--output", "cut")
    answer = command(*line, cwd=tmp_path, code=130)
    assert "interrupted: 3 of 8 images are kept in cut" in answer.err
    monkeypatch.setattr(OutputSaver, "save", save)
    answer = command(*line, "--resume", cwd=tmp_path)
    assert answer.err.count("was made before") == 3
    record = read(tmp_path / "cut")
    assert [sample["prompt"] for sample in record["prompts"]] == list(PROMPTS)


def test_a_picture_that_cannot_be_written_keeps_all_latents_and_says_how_many(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = OutputSaver.save

    def full(self: OutputSaver, output: Any) -> None:
        raise ChordsError("the disk is full", "make room")

    monkeypatch.setattr(OutputSaver, "save", full)
    answer = command(*LINE, *PROMPTS, "--output", "full", cwd=tmp_path, code=1)
    kept = sorted((tmp_path / "full").glob("*.safetensors"))
    told = "its latent is kept:" if len(kept) == 1 else f"{len(kept)} latents are kept, as in"
    assert f"hint: make room; {told} chords image --from-latent full/{kept[0].name}" in answer.err
    monkeypatch.setattr(OutputSaver, "save", save)
    command(*LINE, *PROMPTS, "--output", "full", "--resume", cwd=tmp_path)
    assert len(read(tmp_path / "full")["prompts"]) == 8


def test_a_dry_run_says_what_every_group_holds(command: Any, tmp_path: Path) -> None:
    line = (*LINE, *PROMPTS, "--dry-run", "--json")
    document = json.loads(command(*line, cwd=tmp_path).out)
    held = [core["components"].keys() for core in document["memory"]["cores"]]
    assert len(held) == 4
    assert all("text_encoder" in names and "vae" in names for names in held)
