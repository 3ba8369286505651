"""The command line as a user meets it: arguments in, two streams and an exit code out."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from chords_cli.cli.app import run


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
