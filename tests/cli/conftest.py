"""The command line as a user meets it: arguments in, two streams and an exit code out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chords_cli.cli.app import run
from tests import tiny

TINY = """
name: tiny
title: Tiny random FLUX
kind: image
path: {folder}
pipeline: FluxPipeline
dtype: float32
license: {{name: MIT}}
call:
  height: 32
  width: 32
  num_inference_steps: 8
  guidance_scale: 1.0
  true_cfg_scale: 2.0
  negative_prompt: ""
  max_sequence_length: 24
limits: {{size_multiple: 16}}
sampling: {{cores: 4}}
prompts: [a horse, a city at night]
"""


@dataclass(frozen=True)
class Answer:
    """What a command line answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it is."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _plain_world(monkeypatch, tmp_path):
    """No colours, 80 columns, no presets of the user who runs the tests."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("CHORDS_DEBUG", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def chords(capsys):
    """Runs a command line in this process."""

    def call(*arguments: str) -> Answer:
        code = run(arguments)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `--model tiny` is a preset of the user's own."""
    home = tmp_path_factory.mktemp("home")
    presets = home / "config" / "chords" / "presets"
    presets.mkdir(parents=True)
    tiny.BUILDERS["flux"]().save_pretrained(home / "model")
    (presets / "tiny.yaml").write_text(TINY.format(folder=home / "model"))
    return os.environ | {"XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home)}


@pytest.fixture(scope="session")
def command(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `chords` in a process of its own, in a folder, and checks its exit code."""

    def run_process(
        *arguments: object, cwd: Path, input: str = "", code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "chords_cli", *map(str, arguments)]
        done = subprocess.run(
            line, cwd=cwd, env=environment, input=input, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stderr
        return done

    return run_process
