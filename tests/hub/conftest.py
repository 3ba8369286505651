"""A hub on loopback with two repositories, a home for its cache, and `chords` as a process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.hub import repositories
from tests.hub.content import Repo
from tests.hub.repositories import FLUX, WAN
from tests.hub.server import FakeHub, serving

PRESET = """
name: {name}
title: {title}
kind: {kind}
repo: {repo}
pipeline: {pipeline}
dtype: float32
license: {{name: A licence, gated: {gated}}}
call: {{num_inference_steps: 4, {call}}}
sampling: {{cores: 2}}
parameters: {{transformer: 0.1}}
prompts: [a cat]
"""

PRESETS = {
    "my-flux": {
        "title": "My FLUX",
        "kind": "image",
        "repo": FLUX,
        "pipeline": "FluxPipeline",
        "gated": "true",
        "call": "height: 8, width: 8, guidance_scale: 3.5, max_sequence_length: 16",
    },
    "my-wan": {
        "title": "My Wan",
        "kind": "video",
        "repo": WAN,
        "pipeline": "WanPipeline",
        "gated": "false",
        "call": "height: 16, width: 16, num_frames: 9, guidance_scale: 6.0, "
        "max_sequence_length: 16}\nfps: 8\nlimits: {frames: {multiple: 4, offset: 1}",
    },
}

FOREIGN = ("HF_", "HUGGING", "CHORDS_", "TRANSFORMERS_", "XDG_")
"""Variables of whoever runs the tests that must not reach the command."""


@dataclass(frozen=True)
class Place:
    """A home: the environment of commands, and where things are in it."""

    hub: FakeHub
    home: Path
    environment: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        """The hub's ordinary cache."""
        return self.home / "huggingface" / "hub"

    def store(self, repo: str) -> Path:
        """The cache's folder of that repository."""
        return self.cache / f"models--{repo.replace('/', '--')}"

    def snapshot(self, repo: str) -> Path:
        """The repository's snapshot."""
        return self.store(repo) / "snapshots" / self.hub.repos[repo].commit

    def start(
        self, *arguments: object, stderr: int = subprocess.PIPE, **variables: str
    ) -> subprocess.Popen[str]:
        """Starts `chords` with these arguments."""
        line = [sys.executable, "-m", "chords_cli", *map(str, arguments)]
        return self._start(line, variables, stderr)

    def chords(
        self, *arguments: object, code: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `chords` to its end and checks its exit code."""
        return _finished(self.start(*arguments, **variables), code)

    def python(self, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a Python program to its end."""
        return _finished(self._start([sys.executable, "-c", program], variables), 0)

    def _start(
        self, line: list[str], variables: dict[str, str], stderr: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            line,
            env=self.environment | variables,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.running.append(process)
        return process

    def same(self, repo: str, needed: set[str]) -> bool:
        """Whether the snapshot holds exactly these files, byte for byte."""
        folder = self.snapshot(repo)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        found = {path.relative_to(folder).as_posix() for path in paths}
        files = self.hub.repos[repo].files
        contents = all((folder / path).read_bytes() == files[path].content for path in needed)
        return found == needed and contents


def _finished(process: subprocess.Popen[str], code: int) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return subprocess.CompletedProcess(process.args, code, out, err)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Repo]:
    """The two repositories, made once."""
    return {
        FLUX: Repo.of(repositories.flux(tmp_path_factory.mktemp("flux")), gated=True),
        WAN: Repo.of(repositories.wan(tmp_path_factory.mktemp("wan"))),
    }


@pytest.fixture
def hub(released: dict[str, Repo]) -> Iterator[FakeHub]:
    """A hub that behaves, until told otherwise."""
    repos = {name: Repo(repo.files, gated=repo.gated) for name, repo in released.items()}
    with serving(repos) as server:
        yield server


@pytest.fixture
def place(hub: FakeHub, tmp_path: Path) -> Iterator[Place]:
    """A home with an empty cache and the two presets."""
    presets = tmp_path / "config" / "chords" / "presets"
    presets.mkdir(parents=True)
    for name, settings in PRESETS.items():
        (presets / f"{name}.yaml").write_text(PRESET.format(name=name, **settings))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
    }
    place = Place(
        hub,
        tmp_path,
        kept
        | {
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "HF_HOME": str(tmp_path / "huggingface"),
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "OMP_NUM_THREADS": "1",
        },
    )
    yield place
    for process in place.running:
        process.kill()
        process.communicate()
