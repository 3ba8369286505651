"""A hub on loopback with three repositories, a home for its cache, and `chords` beside it."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from huggingface_hub import constants

from chords_cli.cli.app import run
from tests.hub import repositories
from tests.hub.content import Repo
from tests.hub.repositories import FLUX, PARTS, WAN
from tests.hub.server import FakeHub, serving
from tests.waiting import HANG, ended

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
    """A home: the environment of commands, and where things are in it.

    Commands run in this process, and in one of their own where a test is about that: signals, and
    what libraries read or say when they are imported.
    """

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

    def chords(
        self, *arguments: object, code: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command line in this process and checks its exit code."""
        out, err = io.StringIO(), io.StringIO()
        with self.entered(**variables), redirect_stdout(out), redirect_stderr(err):
            exit_code = run([*map(str, arguments)])
        assert exit_code == code, err.getvalue()
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    @contextmanager
    def entered(self, **variables: str) -> Iterator[None]:
        """Gives this process the place's environment and folder for as long as the block runs.

        What the hub's client reads once, when it is imported, is set where it keeps that.
        """
        environment = self.environment | variables
        kept = {
            "HF_HUB_CACHE": str(self.cache),
            "HF_HUB_DOWNLOAD_TIMEOUT": int(environment["HF_HUB_DOWNLOAD_TIMEOUT"]),
            "HF_HUB_ETAG_TIMEOUT": int(environment["HF_HUB_ETAG_TIMEOUT"]),
            "HF_HUB_OFFLINE": "HF_HUB_OFFLINE" in variables,
            "HF_TOKEN_PATH": str(self.home / "huggingface" / "token"),
        }
        with pytest.MonkeyPatch.context() as world:
            for name in os.environ.keys() - environment.keys():
                world.delenv(name)
            for name, value in environment.items():
                world.setenv(name, value)
            for name, constant in kept.items():
                world.setattr(constants, name, constant)
            world.chdir(self.home)
            yield

    def start(
        self, *arguments: object, stderr: int = subprocess.PIPE, **variables: str
    ) -> subprocess.Popen[str]:
        """Starts `chords` in a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "chords_cli", *map(str, arguments)],
            env=self.environment | variables,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.running.append(process)
        return process

    def process(
        self, *arguments: object, code: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `chords` in a process of its own to its end and checks its exit code."""
        process = self.start(*arguments, **variables)
        out, err = ended(process)
        assert process.returncode == code, err
        return subprocess.CompletedProcess(process.args, code, out, err)

    def same(self, repo: str, needed: set[str]) -> bool:
        """Whether the snapshot holds exactly these files, byte for byte."""
        folder = self.snapshot(repo)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        found = {path.relative_to(folder).as_posix() for path in paths}
        files = self.hub.repos[repo].files
        contents = all((folder / path).read_bytes() == files[path].content for path in needed)
        return found == needed and contents


def environment_of(hub: FakeHub, home: Path) -> dict[str, str]:
    """The variables of commands whose home and hub these are."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "HF_HOME": str(home / "huggingface"),
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": str(int(HANG)),
        "HF_HUB_ETAG_TIMEOUT": str(int(HANG)),
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Repo]:
    """The repositories, made once."""
    return {
        FLUX: Repo.of(repositories.flux(tmp_path_factory.mktemp("flux")), gated=True),
        WAN: Repo.of(repositories.wan(tmp_path_factory.mktemp("wan"))),
        PARTS: Repo.of(repositories.parts(tmp_path_factory.mktemp("parts"))),
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
    place = Place(hub, tmp_path, environment_of(hub, tmp_path))
    yield place
    for process in place.running:
        process.kill()
        process.communicate()
