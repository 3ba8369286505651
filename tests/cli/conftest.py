"""The command line as a user meets it: arguments in, two streams and an exit code out."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chords_cli.cli.app import run
from tests.doubles import tiny
from tests.doubles.warm import Warm
from tests.waiting import ended

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


Command = Callable[..., Answer]

PLAIN = {"COLUMNS": "80", "NO_COLOR": "1"}
FOREIGN = ("CHORDS_DEBUG", "CHORDS_START", "FORCE_COLOR")
"""Variables of whoever runs the tests that must not reach the command."""


def enter(world: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """No colours, 80 columns and these variables."""
    for name in FOREIGN:
        world.delenv(name, raising=False)
    for name, value in {**PLAIN, **variables}.items():
        world.setenv(name, value)


@pytest.fixture(autouse=True)
def _plain_world(monkeypatch, tmp_path):
    """No presets of the user who runs the tests."""
    enter(monkeypatch, {"XDG_CONFIG_HOME": str(tmp_path / "config")})


@pytest.fixture
def chords(capsys):
    """Runs a command line in this process."""

    def call(*arguments: str) -> Answer:
        code = run(arguments)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which `--model tiny` is a preset of the user's own."""
    home = tmp_path_factory.mktemp("home")
    presets = home / "config" / "chords" / "presets"
    presets.mkdir(parents=True)
    tiny.BUILDERS["flux"]().save_pretrained(home / "model")
    (presets / "tiny.yaml").write_text(TINY.format(folder=home / "model"))
    return {"XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home)}


@pytest.fixture(scope="session")
def environment(home: dict[str, str]) -> dict[str, str]:
    """The same for `chords` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**kept, **PLAIN, **home}


@pytest.fixture(scope="session")
def command(home: dict[str, str]) -> Command:
    """Runs a command line in a folder, in this process, and checks its exit code.

    Its cores are processes, forked from the one that all tests share.
    """

    def call(*arguments: object, cwd: Path, input: str = "", code: int = 0) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as world, redirect_stdout(out), redirect_stderr(err):
            enter(world, home)
            world.chdir(cwd)
            world.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input.encode())))
            ended = run([*map(str, arguments)])
        assert ended == code, err.getvalue()
        return Answer(ended, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def forked(environment: dict[str, str], warm: Warm) -> Command:
    """The same in a process of its own, which need not import torch and diffusers."""

    def call(*arguments: object, cwd: Path, code: int = 0) -> Answer:
        running = warm.start(*arguments, cwd=cwd, env=environment)
        out, err = ended(running)
        assert running.returncode == code, err
        return Answer(code, out, err)

    return call


@pytest.fixture(scope="session")
def process(environment: dict[str, str]) -> Command:
    """The same in a process that starts from nothing: nothing escapes that libraries say."""

    def call(*arguments: object, cwd: Path, input: str = "", code: int = 0) -> Answer:
        line = [sys.executable, "-m", "chords_cli", *map(str, arguments)]
        done = subprocess.run(
            line, cwd=cwd, env=environment, input=input, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        return Answer(code, done.stdout, done.stderr)

    return call
