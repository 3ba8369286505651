"""Every published family: real processes against stock diffusers and against the oracle."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from chords_cli.pipelines.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests import tiny
from tests.pipeline.conftest import as_tensor, call_of, pool_of
from tests.pipeline.oracle import pipeline_outputs, stock_latent

STEPS, SEED = 12, 7

UNGUIDED: dict[str, dict[str, Any]] = {
    "flux": {"negative_prompt": "bad", "true_cfg_scale": 2.0},  # this one guided: it is not else
    "sd3": {"guidance_scale": 1.0},
    "hunyuan": {"negative_prompt": "bad", "true_cfg_scale": 2.0},
    "wan": {"guidance_scale": 1.0},
    "cogvideo": {"guidance_scale": 1.0},
}
"""What turns each family's true guidance off, or on where it is off by default."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", tiny.BUILDERS)
def test_family_ends_with_the_bits_of_stock_and_every_output_equals_the_oracle(
    family: str,
    dtype: str,
    spec: Callable[[str, str], ModelSpec],
    loaded: Callable[[str, str], Any],
) -> None:
    pipe = loaded(family, dtype)
    calls = [call_of(family, STEPS), call_of(family, STEPS) | UNGUIDED[family]]
    for cores in (2, 4):
        plan = chords_plan(STEPS, default_init_t(STEPS, cores))
        with pool_of(spec(family, dtype), cores) as pool:
            sampled = [pool.sample(plan, call, SEED, StopRule(), keep=True) for call in calls]
        for call, made in zip(calls, sampled, strict=True):
            assert torch.equal(as_tensor(made.outputs[-1].latent), stock_latent(pipe, call, SEED))
            expected = pipeline_outputs(pipe, call, SEED, plan)
            for output, oracle in zip(made.outputs, expected, strict=True):
                assert torch.equal(as_tensor(output.latent), oracle.latent), output.index
