"""Bits on the device: core 0's are stock's, all outputs' the oracle's, and every run's the same."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from chords_cli.sampler import Plan, chords_plan, default_init_t, default_rounds, wavefront_plan
from tests.gpu.models import BUILT_IN, SEED, STEPS, Models, call, latents, stock_bits
from tests.pipeline.conftest import threads_of
from tests.pipeline.oracle import pipeline_outputs

TINY = ("flux", "sd3", "wan", "cogvideo", "hunyuan", "sdxl")
CASES = [
    *((name, "float32") for name in BUILT_IN),
    *((name, dtype) for name in TINY for dtype in ("float32", "bfloat16")),
]
CORES = 4

PLANS: dict[str, Plan] = {
    "sequential": chords_plan(STEPS, (0,)),
    **{f"chords, {k} cores": chords_plan(STEPS, default_init_t(STEPS, k)) for k in (2, CORES)},
    **{
        f"wavefront, {k} cores": wavefront_plan(STEPS, k, default_rounds(STEPS, k))
        for k in (2, CORES)
    },
}
"""All run in one pool: a plan of fewer cores leaves the others idle."""


@dataclass(frozen=True)
class Made:
    """What a model's cores made: per plan the latents of all outputs, of two runs."""

    name: str
    pipe: Any
    runs: dict[str, tuple[list[torch.Tensor], list[torch.Tensor]]]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def made(request: pytest.FixtureRequest, models: Models) -> Made:
    name, dtype = request.param
    spec = models.spec(name, dtype)
    with models.pool(spec, CORES) as pool:
        runs = {
            which: (latents(pool, plan, call(name)), latents(pool, plan, call(name)))
            for which, plan in PLANS.items()
        }
    return Made(name, models.stock(spec), runs)


def test_core_zero_ends_with_the_bits_of_stock(made: Made) -> None:
    called = call(made.name)
    stock = {cores: stock_bits(made.pipe, called, cores) for cores in (1, 2, CORES)}
    for which, plan in PLANS.items():
        assert torch.equal(made.runs[which][0][-1], stock[plan.cores]), which


def test_every_output_equals_the_oracle(made: Made) -> None:
    for which, plan in PLANS.items():
        with threads_of(plan.cores):
            expected = pipeline_outputs(made.pipe, call(made.name), SEED, plan)
        for output, latent in zip(expected, made.runs[which][0], strict=True):
            assert torch.equal(latent, output.latent.cpu()), f"{which}, output {output.index}"


def test_a_second_run_gives_the_same_bits(made: Made) -> None:
    for which, (first, second) in made.runs.items():
        assert len(first) > 1, which
        assert all(map(torch.equal, first, second)), which
