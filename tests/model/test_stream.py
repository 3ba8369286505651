"""What the built-in image model is trained on: a resumed run sees it too, and leaves no process."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import Tensor

from training import stream
from training.ahead import Ahead
from training.scenes import describe, layout, sample_scene
from training.shapes import Layout
from training.stream import LatentStream, draw_part
from training.text_to_image import tokenize

KILLED = """
import os, signal
from training.ahead import Ahead
assert Ahead(abs, 1)(0) == 0
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A process that is killed while another one computes ahead for it."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> LatentStream:
    """A stream of few scenes, all of which are replaced within a few steps."""
    for name, count in {"PART": 4, "PARTS": 3}.items():
        monkeypatch.setattr(stream, name, count)
    return new_stream()


def new_stream() -> LatentStream:
    part = partial(draw_part, sample_scene, describe, layout, tokenize, 5)
    return LatentStream(part, sizes, batch=8, workers=0, first=2, uses=1)


def sizes(scenes: Layout) -> Tensor:
    """Stands for the latents of scenes."""
    return torch.from_numpy(scenes.places[0, :, 2:])


def batch(source: LatentStream, step: int) -> list[Tensor]:
    latents, tokens = source.batch(step, torch.Generator().manual_seed(step))
    return [latents, tokens["words"], tokens["spelled"]]


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_resumed_training_sees_what_an_uninterrupted_one_sees(small: LatentStream, step) -> None:
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
