"""Every family on a labelled device, in one process: nothing of the host meets the device."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.presets.files import find_preset
from chords_cli.sampler import Plan, chords_plan, wavefront_plan
from chords_cli.sampler.fills import fills
from chords_cli.sampler.oracle import Euler
from tests.doubles.labelled_cuda import labelled_cuda
from tests.pipeline.conftest import BUILDERS, call_of
from tests.pipeline.oracle import Oracle, stock_latent

pytestmark = pytest.mark.broad

STEPS, SEED = 8, 7
DEVICE = torch.device("cuda:1")
"""Not the current one, so that what asks for `cuda` alone is seen to meet another device."""

BUILT_IN = ("demo-image", "demo-video")

PLANS: dict[str, Plan] = {
    "chords": chords_plan(STEPS, (0, 3)),
    "wavefront": wavefront_plan(STEPS, 2, 5),
}
"""Both with a preview and with jumps; the wavefront's extrapolates once beyond what is known."""

Latents = dict[str, list[Tensor]]


def build(name: str) -> tuple[DiffusionPipeline, dict[str, Any]]:
    """A new pipeline of a family or of a built-in model, and its call."""
    if name in BUILDERS:
        pipe, call = BUILDERS[name](), call_of(name, STEPS)
    else:
        preset = find_preset(name)
        spec = ModelSpec(folder=str(preset.path), pipeline=preset.pipeline, dtype="float32")
        pipe = load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=True)
        call = preset.call | {"prompt": preset.prompts[0], "num_inference_steps": STEPS}
    pipe.set_progress_bar_config(disable=True)
    return pipe, call


def latents(pipe: DiffusionPipeline, call: dict[str, Any]) -> Latents:
    """What stock diffusers and all outputs of every algorithm end with."""
    oracle = Oracle(pipe, call, SEED)
    made = {algo: [output.latent for output in oracle.outputs(PLANS[algo])] for algo in PLANS}
    return {"stock": [stock_latent(pipe, call, SEED)], **made}


@pytest.fixture(scope="module")
def both() -> Callable[[str], tuple[Latents, Latents]]:
    """What a model makes on the host, and on the device."""

    @functools.cache
    def make(name: str) -> tuple[Latents, Latents]:
        pipe, call = build(name)
        expected = latents(pipe, call)
        with labelled_cuda():
            made = latents(pipe.to(DEVICE), call)
            assert {latent.device for outputs in made.values() for latent in outputs} == {DEVICE}
            return expected, {
                algo: [latent.cpu() for latent in outputs] for algo, outputs in made.items()
            }

    return make


@pytest.mark.parametrize("algo", ["stock", *PLANS])
@pytest.mark.parametrize("name", [*BUILDERS, *BUILT_IN])
def test_a_labelled_device_ends_with_the_bits_of_the_host(
    name: str, algo: str, both: Callable[[str], tuple[Latents, Latents]]
) -> None:
    expected, made = (latents[algo] for latents in both(name))
    assert len(made) == len(expected)
    assert all(map(torch.equal, made, expected))


def test_the_wavefronts_plan_extrapolates_so_that_the_trusted_share_is_tried() -> None:
    grid = Euler([1 - step / STEPS for step in range(STEPS + 1)]).linear_grid()
    assert any(fill.own.beyond for fill in fills(PLANS["wavefront"], 1, grid))
