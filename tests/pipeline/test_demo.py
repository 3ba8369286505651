"""The built-in models on several cores, as their presets run them."""

import pytest
import torch

from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.presets.files import find_preset
from chords_cli.sampler import Plan, chords_plan, default_init_t, wavefront_plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import as_tensor, pool_of, threads_of
from tests.pipeline.oracle import Oracle, stock_latent

STEPS, SEED = 6, 42


def plans(cores: int) -> list[Plan]:
    return [
        chords_plan(STEPS, default_init_t(STEPS, cores)),
        *([wavefront_plan(STEPS, cores, 4)] if cores > 1 else []),
    ]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.broad)])
@pytest.mark.parametrize("name", ["demo-image", "demo-video"])
def test_core_zero_ends_with_the_bits_of_stock_and_every_output_equals_the_oracle(
    name: str, dtype: str
) -> None:
    preset = find_preset(name)
    spec = ModelSpec(folder=str(preset.path), pipeline=preset.pipeline, dtype=dtype)
    call = preset.call | {"prompt": preset.prompts[0], "num_inference_steps": STEPS}
    every = [plan for cores in (1, 2, 4) for plan in plans(cores)]
    stock: dict[int, torch.Tensor] = {}  # by the number of threads, which may change bits
    oracles: dict[int, Oracle] = {}
    with pool_of(spec, 4) as pool:  # a plan of fewer cores leaves the others idle
        made = [pool.sample(plan, call, SEED, StopRule(index=plan.cores)) for plan in every]
    pipe = load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=False)
    for plan, sampled in zip(every, made, strict=True):
        with threads_of(plan.cores):
            threads = torch.get_num_threads()
            if threads not in stock:
                stock[threads] = stock_latent(pipe, call, SEED)
                oracles[threads] = Oracle(pipe, call, SEED)
            outputs = oracles[threads].outputs(plan)
        assert torch.equal(as_tensor(sampled.outputs[-1].latent), stock[threads])
        assert len(sampled.outputs) == len(outputs)
        for output, wanted in zip(sampled.outputs, outputs, strict=True):
            assert torch.equal(as_tensor(output.latent), wanted.latent)
