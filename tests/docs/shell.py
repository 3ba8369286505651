"""Carries out what a reader types: `chords` in this process, other programs as far as they can."""

import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from chords_cli.cli.app import run
from chords_cli.engine import devices, processes
from tests.docs.pages import ROOT
from tests.doubles.labelled_workers import LabelledWorker
from tests.hub.conftest import Place

GB = 10**9
REAL = re.compile(r"flux|sd3-5|wan2-1|hunyuan|cogvideo|mine\.yaml|cuda|owner/")
"""What is for a machine with GPUs."""


@dataclass(frozen=True)
class Said:
    """What a command wrote, in the order of a terminal as far as that is known."""

    code: int
    text: str


@dataclass
class Shell:
    """One reader's terminal, in the folder of `place`.

    Attributes:
        exported: Variables that were set with `export`.
    """

    place: Place
    exported: dict[str, str] = field(default_factory=dict)

    def type(self, line: str) -> Said:
        """Carries out one command line."""
        words = shlex.split(line, comments=True)
        variables = dict[str, str]()
        while words and re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        told = words[: words.index(">")] if ">" in words else words
        said = self._program(told[0])(told[1:], variables)
        if ">" in words:
            (self.place.home / words[words.index(">") + 1]).write_text(said.text)
            return Said(said.code, "")
        return said

    def script(self, text: str) -> Said:
        """Runs a script of Python, which raises what goes wrong."""
        said = io.StringIO()
        with self.place.entered(**self.exported), redirect_stdout(said), redirect_stderr(said):
            exec(compile(text, "example.py", "exec"), {"__name__": "__main__"})
        return Said(0, said.getvalue())

    def _program(self, name: str) -> Callable[[list[str], dict[str, str]], Said]:
        name = name.removeprefix(".venv/bin/")
        return {
            "chords": self._chords,
            "export": self._export,
            "make": self._make,
            "pip": _pip,
            "python": self._python,
            "python3": self._python,
            "hf": self._hf,
            "source": _source,
            "ruff": _tool("ruff"),
            "mypy": _tool("mypy"),
        }[name]

    def _chords(self, words: list[str], variables: dict[str, str]) -> Said:
        said = io.StringIO()
        shipped = {"XDG_CONFIG_HOME": str(self.place.home)} if words[:1] == ["plan"] else {}
        with (
            self.place.entered(**self.exported, **shipped, **variables),
            _gpus(4 if REAL.search(" ".join(words)) else 0),
            redirect_stdout(said),
            redirect_stderr(said),
        ):
            code = run(words)
        return Said(code, said.getvalue())

    def _export(self, words: list[str], variables: dict[str, str]) -> Said:
        self.exported.update(word.split("=", 1) for word in words)  # type: ignore[arg-type]
        return Said(0, "")

    def _make(self, words: list[str], variables: dict[str, str]) -> Said:
        """Types what the Makefile would run once its environment is there."""
        ours = {"VENV", "PY", "PYTHON", "ARGS", "JOBS"}  # of the make that may run these tests
        env = {k: v for k, v in os.environ.items() if "MAKE" not in k and k not in ours}
        line = ["make", "--dry-run", "--old-file=.venv/.ready", *words]
        asked = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if asked.returncode:
            return Said(asked.returncode, asked.stderr)
        said = [self.type(recipe) for recipe in asked.stdout.splitlines()]
        return Said(max(one.code for one in said), "".join(one.text for one in said))

    def _python(self, words: list[str], variables: dict[str, str]) -> Said:
        if words[:2] == ["-m", "pytest"]:  # what runs now
            known = pytest.Config.fromdictargs({}, [*words[2:]])
            return Said(0, str(known.args))
        return self._started([sys.executable, *words], variables)

    def _hf(self, words: list[str], variables: dict[str, str]) -> Said:
        return self._started([str(Path(sys.executable).parent / "hf"), *words], variables)

    def _started(self, words: list[str], variables: dict[str, str]) -> Said:
        done = subprocess.run(
            words,
            cwd=self.place.home,
            env={**self.place.environment, **self.exported, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(done.returncode, done.stderr + done.stdout)


@contextmanager
def _gpus(count: int) -> Iterator[None]:
    """Gives this machine GPUs of 80 GB, as far as tests can: tensors on the host with a label."""
    with pytest.MonkeyPatch.context() as world:
        if count:
            names = [f"cuda:{number}" for number in range(count)]
            free = devices.Memory(title="NVIDIA X", total=80 * GB, free=79 * GB)

            def answer(question: object) -> object:
                return names if question is devices.find_devices else dict.fromkeys(names, free)

            world.setattr(devices, "ask", answer)
            world.setattr(processes, "worker_process", LabelledWorker(count=count))
        devices.available_devices.cache_clear()
        yield
    devices.available_devices.cache_clear()


def _pip(words: list[str], variables: dict[str, str]) -> Said:
    """Checks that the extras that a reader asks for are declared and take what is installed."""
    assert words[0] == "install", words
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(word) for word in words[1:]]
    assert {wanted.name for wanted in asked} == {declared["name"]}
    while asked:
        wanted = asked.pop()
        for extra in wanted.extras:
            lines = declared["optional-dependencies"][extra]
            asked += [needs for needs in map(Requirement, lines) if needs.name == declared["name"]]
    return Said(0, "")


def _source(words: list[str], variables: dict[str, str]) -> Said:
    makefile = (ROOT / "Makefile").read_text()
    folder = re.search(r"^VENV \?= (.+)$", makefile, re.MULTILINE)
    assert folder
    assert words == [f"{folder[1]}/bin/activate"]
    return Said(0, "")


def _tool(name: str) -> Callable[[list[str], dict[str, str]], Said]:
    def check(words: list[str], variables: dict[str, str]) -> Said:
        return Said(0, distribution(name).version)

    return check
