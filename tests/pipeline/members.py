"""What tests of cores with several processes share: a guided call, plans, how far outputs are."""

from typing import Any

import torch

from chords_cli.engine.pool import Pool
from chords_cli.sampler import chords_plan, default_init_t, sequential_plan, wavefront_plan
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule
from tests.doubles import zoo_strength
from tests.pipeline.conftest import as_tensor, call_of

STEPS, SEED = 6, 7
NEGATIVE = {"true_cfg_scale": 4.0, "negative_prompt": "bad"}
"""What makes a family guided that is told its guidance."""

DOUBLED = ("sd3", "cogvideo", "z-image", "ltx", "sana", "sdxl", "pixart-sigma", "ernie-image")
"""Families that ask for both halves in one call of twice the batch."""

LARGE = ("hunyuan1-5",)
"""Families whose pipeline asks for 2000 tokens of text, however small the model is."""

CLOSE = 1e-5
"""How far half a batch may round otherwise: the largest element in units of the latent's RMS."""

PLANS = {
    "alone": sequential_plan(STEPS),
    "chords": chords_plan(STEPS, default_init_t(STEPS, 2)),
    "wavefront": wavefront_plan(STEPS, 2, 5),
}


def sampled(pool: Pool, plan: Plan, call: dict[str, Any], seed: int = SEED) -> list[torch.Tensor]:
    outputs = pool.sample(plan, call, seed, StopRule(), keep=True).outputs
    return [as_tensor(output.latent) for output in outputs]


def gap(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference in units of the RMS."""
    difference = (one.double() - other.double()).abs().max()
    return float(difference / other.double().square().mean().sqrt())


def picture_call(member: str) -> dict[str, Any]:
    """The smallest call that starts from a picture: of so few steps that some are left out.

    With a strength, a longer grid has at least two steps left.
    """
    if member not in zoo_strength.BUILDERS:
        return call_of(member, 4)
    return call_of(member, 7) | {"strength": 0.7}
