"""Every core's drift at a step of the grid is the one that stock diffusers computes there.

The stock run is recorded through the pipeline's own loop, which takes every step of the full grid
and knows nothing of walks. A core is then given stock's latent at each of its steps, so its drift
has the same bits, unless it depends on an index, a count or a step that the core does not see.
"""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from chords_cli.pipelines.chain import Chain, following
from tests.doubles import tiny, zoo
from tests.pipeline.conftest import call_of
from tests.pipeline.members import LARGE

STEPS, SEED = 8, 7
WALKS = (tuple(range(STEPS)), (0, 1, 2, 4, 7), (0, 3, 6), (0, 5, 6, 7))
FURTHER: dict[str, dict[str, Any]] = {
    "sd3": {
        "skip_guidance_layers": [0],
        "skip_layer_guidance_start": 0.2,
        "skip_layer_guidance_stop": 0.7,
    },
}
"""Arguments of a call with which its drift depends on the place in the loop."""


class Following:
    """A driver that answers with what stock has at the next step, and keeps the drifts."""

    stopped = False

    def __init__(self, walk: tuple[int, ...], latents: list[Tensor]) -> None:
        self._answers = iter([latents[step] for step in walk[1:]] + [latents[-1]])
        self.drifts: list[Tensor] = []

    def begin(self, solver: Any) -> None:
        pass

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        self.drifts.append(drift)
        return next(self._answers)


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=pytest.mark.slow if family in LARGE else ())
        for family in (*tiny.BUILDERS, *zoo.BUILDERS)
    ],
)
def test_drift_of_every_core_has_the_bits_of_stock_at_its_step(
    family: str, loaded: Callable[[str], DiffusionPipeline]
) -> None:
    pipe, call = loaded(family), call_of(family, STEPS) | FURTHER.get(family, {})
    latents, drifts = stock_run(pipe, call)
    assert len(drifts) == STEPS
    for walk in WALKS:
        driver = Following(walk, latents)
        with following(pipe, Chain(pipe, walk, STEPS, driver)):
            run(pipe, call)
        assert len(driver.drifts) == len(walk)
        for step, drift in zip(walk, driver.drifts, strict=True):
            assert torch.equal(drift, drifts[step]), (walk, step)


def stock_run(pipe: DiffusionPipeline, call: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """The latents at all steps and the drifts at all but the last, of an untouched loop."""
    latents: list[Tensor] = []
    drifts: list[Tensor] = []
    step = pipe.scheduler.step

    @functools.wraps(step)
    def watched(drift: Tensor, timestep: Any, latent: Tensor, *args: Any, **options: Any) -> Any:
        latents.append(latent)
        drifts.append(drift)
        moved = step(drift, timestep, latent, *args, **options)
        watched.last = moved[0]
        return moved

    pipe.scheduler.step = watched
    try:
        run(pipe, call)
    finally:
        del pipe.scheduler.step
    return [*latents, watched.last], drifts


def run(pipe: DiffusionPipeline, call: dict[str, Any]) -> None:
    noise = torch.Generator("cpu").manual_seed(SEED)
    pipe(**call, generator=noise, output_type="latent")
