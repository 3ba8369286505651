"""Ctrl-C and sudden death, as a user meets them: the real command in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests import tiny

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model whose steps take long enough to be interrupted."""
    folder = tmp_path_factory.mktemp("slow")
    tiny.BUILDERS["flux"]().save_pretrained(folder / "weights")
    path = folder / "slow.yaml"
    path.write_text(
        "name: slow\ntitle: Slow\nkind: image\npath: weights\npipeline: FluxPipeline\n"
        "dtype: float32\nlicense: {name: MIT}\nseed: 1\nprompts: [a cat]\n"
        "call: {height: 64, width: 64, num_inference_steps: 400, max_sequence_length: 16}\n"
    )
    return path


@pytest.fixture
def command(preset: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `chords image` in a session of its own; kills what a failed test leaves."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "chords_cli", "image", "-m", str(preset), "--devices", "cpu"]
        process = subprocess.Popen(
            [*line, "-k", "3", "-o", str(tmp_path / "out"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("phase", ["Slow", "cores ready", "output 0", "output 1"])
def test_interrupt_ends_with_130_and_leaves_neither_process_nor_file(
    phase: str, command: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = command()
    _read_until(process, phase)
    family = _family(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == "error: interrupted"
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.png"))


def test_killed_worker_is_named_and_ends_the_command(
    command: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = command("--all-cores")
    _read_until(process, "output 0")
    family = _family(process.pid)
    workers = [p for p in family if p.ppid() != process.pid]
    assert len(workers) == 3
    workers[0].kill()
    said = process.communicate(timeout=30)[1].splitlines()
    assert process.returncode == 1
    errors = [line for line in said if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: core ")
    assert errors[0].endswith(" on cpu died: killed by SIGKILL")
    assert said[-1].startswith("hint: ")
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert not list(tmp_path.rglob("*.part"))


def _read_until(process: subprocess.Popen[str], phrase: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if phrase in line:
            return
    raise AssertionError(f"{phrase!r} was never said")


def _family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)
