"""How a model is set up once it is loaded: shown by a dry run, and refused where it cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Answer, Command

OPTIONS = ("--cores", "2", "--devices", "cpu", "--output", "out")


@pytest.fixture
def preset(home: dict[str, str], tmp_path: Path) -> Callable[[str], str]:
    """A preset with some more keys."""

    def write(keys: str) -> str:
        file = tmp_path / "mine.yaml"
        file.write_text(TINY.format(folder=Path(home["HOME"]) / "model") + keys)
        return str(file)

    return write


def dry(command: Command, model: str, cwd: Path, *options: str) -> Answer:
    return command("image", "--model", model, *OPTIONS, "--dry-run", *options, cwd=cwd)


def test_a_dry_run_shows_attention_compiled_blocks_tiling_and_slicing(command, preset, tmp_path):
    keys = "compile: {fullgraph: true}\nattention: _native_math\n"
    model = preset(keys + "components: {vae: {tiling: true, slicing: true}}\n")
    line = (
        "attention _native_math, blocks compiled with fullgraph True, vae in tiles, "
        "vae one picture at a time"
    )
    assert line in dry(command, model, tmp_path).out
    assert dry(command, model, tmp_path, "--json").document["set_up"] == {
        "compile": {"fullgraph": True},
        "attention": "_native_math",
        "tiling": ["vae"],
        "slicing": ["vae"],
    }


def test_a_dry_run_shows_what_runs_without_any_of_them(command, preset, tmp_path, monkeypatch):
    assert "attention native, not compiled\n" in dry(command, preset(""), tmp_path).out
    monkeypatch.setenv("DIFFUSERS_ATTN_BACKEND", "flex")
    assert "attention flex, not compiled\n" in dry(command, preset(""), tmp_path).out


def test_an_unknown_attention_is_refused_before_anything_loads(command, preset, tmp_path):
    line = ("image", "--model", preset("attention: lightning\n"), *OPTIONS, "--dry-run")
    answer = command(*line, cwd=tmp_path, code=2)
    assert "attention is lightning, which diffusers does not have" in answer.err


def test_members_cannot_share_tokens_with_every_attention(command, preset, tmp_path):
    model = preset("attention: flex\ncontext: 2\n")
    line = ("image", "--model", model, *OPTIONS, "--dry-run")
    answer = command(*line, cwd=tmp_path, code=2)
    assert "the preset's attention is flex, but members that share tokens" in answer.err
    assert "change the preset's attention, or use --context 1" in answer.err
