"""A core on two devices that share every picture's tokens: the result stays, but for roundings."""

import pytest
import torch

from chords_cli.sampler import sequential_plan
from tests.gpu.conftest import DEVICES
from tests.gpu.models import STEPS, Models, latents, stock_bits
from tests.pipeline.conftest import call_of

CALLS = {
    "wan": {"height": 32, "width": 32},
    "flux": {"true_cfg_scale": 4.0, "negative_prompt": "bad"},
    "qwen-image": {},
}
FAR = {"float32": 2e-3, "bfloat16": 0.2}
"""How far a part of the tokens may round otherwise: the largest element in units of the RMS."""

PLAN = sequential_plan(STEPS)

enough = pytest.mark.skipif(
    len(DEVICES) < 2 and "cpu" not in DEVICES,
    reason="tokens are shared on two CUDA devices, and torch sees one",
)


@enough
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("dtype", FAR)
@pytest.mark.parametrize("name", CALLS)
def test_shared_tokens_are_stocks_but_for_roundings(
    name: str, dtype: str, split: bool, models: Models
) -> None:
    members = 4 if split else 2
    if "cpu" not in DEVICES and len(DEVICES) < members:
        pytest.skip(f"it takes {members} CUDA devices, and torch sees {len(DEVICES)}")
    spec, called = models.spec(name, dtype), call_of(name, STEPS) | CALLS[name]
    stock = stock_bits(models.stock(spec), called, members)
    with models.pool(spec, 1, members=members, contexts=2) as pool:
        first, second = latents(pool, PLAN, called), latents(pool, PLAN, called)
    assert all(map(torch.equal, first, second))
    apart = (first[-1].double() - stock.double()).abs().max()
    assert float(apart / stock.double().square().mean().sqrt()) <= FAR[dtype]
