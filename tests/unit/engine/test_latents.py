"""Latents as bits, and whether all of their numbers are finite."""

import math

import pytest
import torch

from chords_cli.engine.latents import is_finite, pack, unpack

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spoilt", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_not_finite_is_found(dtype: torch.dtype, spoilt: float) -> None:
    latent = torch.randn(2, 16, 33).to(dtype)
    assert is_finite(latent)
    latent[1, 7, 32] = spoilt
    assert not is_finite(latent)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_packed_latent_has_the_same_bits(dtype: torch.dtype) -> None:
    latent = torch.randn(2, 3, 5).to(dtype).transpose(0, 1)
    again = unpack(pack(latent))
    assert again.dtype == dtype
    assert torch.equal(again, latent)
