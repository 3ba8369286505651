"""What the built-in image model is trained on: a resumed run sees it too, and leaves no process."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from training import stream
from training.ahead import Ahead
from training.scenes import Scene
from training.stream import SceneStream

KILLED = """
import os, signal
from training.ahead import Ahead
assert Ahead(abs, 1)(0) == 0
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A process that is killed while another one computes ahead for it."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> SceneStream:
    """A stream of few scenes, all of which are replaced within a few steps."""
    for name, count in {"PART": 4, "PARTS": 3, "FIRST_PARTS": 2, "USES": 1}.items():
        monkeypatch.setattr(stream, name, count)
    return new_stream()


def new_stream() -> SceneStream:
    return SceneStream(sizes, batch=8, seed=5, workers=0)


def sizes(scenes: list[Scene]) -> Tensor:
    """Stands for the latents of scenes."""
    return torch.tensor([[scene.blobs[0].radius] for scene in scenes])


def batch(source: SceneStream, step: int) -> list[Tensor]:
    latents, tokens = source.batch(step, torch.Generator().manual_seed(step))
    return [latents, tokens.words, tokens.spelled]


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_resumed_training_sees_what_an_uninterrupted_one_sees(small: SceneStream, step) -> None:
    seen = [batch(small, earlier) for earlier in range(step + 1)]
    resumed = batch(new_stream(), step)
    assert all(map(torch.equal, resumed, seen[step]))
    assert not torch.equal(seen[0][0], seen[step][0])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_value_may_be_asked_for_more_than_once_and_from_anywhere(workers: int) -> None:
    ahead = Ahead(abs, workers)
    try:
        assert [ahead(index) for index in (3, 4, 4, 3, 9)] == [3, 4, 4, 3, 9]
    finally:
        ahead.close()


def test_no_process_stays_behind_when_the_training_is_killed() -> None:
    """Whoever is left would keep the pipe of the output open."""
    ended = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, timeout=60)
    assert ended.returncode == -9
