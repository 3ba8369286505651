"""The built-in image model on several cores, as its preset runs it."""

import os

import pytest
import torch

from chords_cli.pipelines.loading import load_pipeline
from chords_cli.pipelines.spec import ModelSpec
from chords_cli.presets import find_preset
from chords_cli.sampler import Plan, chords_plan, default_init_t, wavefront_plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import as_tensor, pool_of
from tests.pipeline.oracle import stock_latent

STEPS, SEED = 10, 42
PRESET = find_preset("demo-image")


def plans(cores: int) -> list[Plan]:
    return [
        chords_plan(STEPS, default_init_t(STEPS, cores)),
        *([wavefront_plan(STEPS, cores, 5)] if cores > 1 else []),
    ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("cores", [1, 2, 4])
def test_core_zero_of_the_demo_ends_with_the_bits_of_stock_diffusers(
    cores: int, dtype: str
) -> None:
    spec = ModelSpec(folder=str(PRESET.path), pipeline=PRESET.pipeline, dtype=dtype)
    call = PRESET.call | {"prompt": PRESET.prompts[0], "num_inference_steps": STEPS}
    with pool_of(spec, cores) as pool:
        made = [pool.sample(plan, call, SEED, StopRule(index=cores)) for plan in plans(cores)]
    pipe = load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=False)
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // cores))
    stock = stock_latent(pipe, call, SEED)
    torch.set_num_threads(1)
    for sampled in made:
        assert torch.equal(as_tensor(sampled.outputs[-1].latent), stock)
