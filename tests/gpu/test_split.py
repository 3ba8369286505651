"""Cores of two processes on the device: the bits of whole cores where the model is called twice."""

import pytest
import torch

from chords_cli.sampler import Plan, chords_plan, default_init_t, sequential_plan, wavefront_plan
from tests.gpu.models import SEED, STEPS, Models, call, latents, stock_bits
from tests.pipeline.conftest import call_of, threads_of
from tests.pipeline.oracle import pipeline_outputs

TWICE = {
    "wan": {},
    "flux": {"true_cfg_scale": 4.0, "negative_prompt": "bad"},
    "qwen-image": {},
}
"""Pipelines that call their model once for each half of guidance, and what makes them do so."""

DOUBLED = ("sd3", "cogvideo", "sdxl")
"""Pipelines that ask for both halves in one batch, which rounds otherwise when it is cut."""

FAR = {"float32": 2e-3, "bfloat16": 0.2}
"""How far half a batch may round otherwise: the largest element in units of the latent's RMS."""

CORES = 2
PLANS: dict[str, Plan] = {
    "alone": sequential_plan(STEPS),
    "chords": chords_plan(STEPS, default_init_t(STEPS, CORES)),
    "wavefront": wavefront_plan(STEPS, CORES, STEPS - 1),
}

DTYPES = ("float32", "bfloat16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TWICE)
def test_two_calls_a_step_keep_the_bits_of_whole_cores(
    name: str, dtype: str, models: Models
) -> None:
    spec, called = models.spec(name, dtype), call_of(name, STEPS) | TWICE[name]
    pipe = models.stock(spec)
    with models.pool(spec, CORES, members=2) as split:
        for which, plan in PLANS.items():
            with threads_of(2 * plan.cores):
                expected = pipeline_outputs(pipe, called, SEED, plan)
            for _ in range(2):
                for output, latent in zip(expected, latents(split, plan, called), strict=True):
                    assert torch.equal(latent, output.latent.cpu()), f"{which}, {output.index}"


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("demo-image", "float32"), *((name, dtype) for name in DOUBLED for dtype in DTYPES)],
)
def test_a_doubled_batch_rounds_otherwise_and_repeats_its_bits(
    name: str, dtype: str, models: Models
) -> None:
    spec, called = models.spec(name, dtype), call(name)
    stock = stock_bits(models.stock(spec), called, 1)
    with models.pool(spec, CORES, members=2) as split:
        for which, plan in PLANS.items():
            first, second = latents(split, plan, called), latents(split, plan, called)
            assert all(map(torch.equal, first, second)), which
            apart = (first[-1].double() - stock.double()).abs().max()
            scale = stock.double().square().mean().sqrt()
            assert float(apart / scale) <= FAR[dtype], which
