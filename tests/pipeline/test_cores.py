"""Real processes against stock diffusers and against the oracle."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import Shared, as_tensor, call_of, pool_of
from tests.pipeline.oracle import pipeline_outputs, stock_latent

STEPS, SEED = 12, 7

Spec = Callable[[str, str], ModelSpec]
Loaded = Callable[[str, str], Any]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("cores", [1, 2, 4])
def test_core_zero_ends_with_the_bits_of_stock_diffusers(
    cores: int, dtype: str, shared: Shared, loaded: Loaded
) -> None:
    plan = chords_plan(STEPS, default_init_t(STEPS, cores))
    call = call_of("flux", STEPS)
    pool = shared("flux", dtype)
    sampled = pool.sample(plan, call, SEED, StopRule(index=cores))
    stock = stock_latent(loaded("flux", dtype), call, SEED)
    assert sampled.chosen == cores
    assert torch.equal(as_tensor(sampled.outputs[-1].latent), stock)


@pytest.mark.parametrize("cores", [2, 3, 4, 8])
def test_processes_equal_the_oracle_bit_for_bit(cores: int, shared: Shared, loaded: Loaded) -> None:
    plan = chords_plan(STEPS, default_init_t(STEPS, cores))
    call = call_of("flux", STEPS)
    pool = shared("flux")
    sampled = pool.sample(plan, call, SEED, StopRule(), keep=True)
    oracle = pipeline_outputs(loaded("flux", "float32"), call, SEED, plan)
    assert len(sampled.outputs) == len(oracle) == cores + 1
    for output, expected in zip(sampled.outputs, oracle, strict=True):
        assert (output.index, output.core, output.round) == (
            expected.index,
            expected.core,
            expected.round,
        )
        assert torch.equal(as_tensor(output.latent), expected.latent)


def test_same_job_gives_the_same_bits_again_in_one_pool(shared: Shared) -> None:
    plan = chords_plan(STEPS, default_init_t(STEPS, 4))
    call = call_of("flux", STEPS)
    pool = shared("flux")
    first, second = (pool.sample(plan, call, SEED, StopRule(), keep=True) for _ in range(2))
    assert [o.latent for o in first.outputs] == [o.latent for o in second.outputs]


def test_job_after_one_that_was_stopped_early_is_not_disturbed(shared: Shared) -> None:
    plan = chords_plan(STEPS, default_init_t(STEPS, 4))
    call = call_of("flux", STEPS)
    at_once = StopRule(criterion="residual", residual=1e9)
    pool = shared("flux")
    undisturbed = pool.sample(plan, call, SEED, StopRule(), keep=True)
    for seed in range(5):
        assert pool.sample(plan, call, seed, at_once).chosen == 1
    again = pool.sample(plan, call, SEED, StopRule(), keep=True)
    assert [o.latent for o in again.outputs] == [o.latent for o in undisturbed.outputs]


def test_residual_rule_returns_the_first_output_that_moved_little(shared: Shared) -> None:
    plan = chords_plan(STEPS, default_init_t(STEPS, 4))
    call = call_of("flux", STEPS)
    pool = shared("flux")
    every = pool.sample(plan, call, SEED, StopRule(), keep=True).outputs
    sizes = [output.residual for output in every]
    threshold = (sizes[1] + sizes[2]) / 2
    found = pool.sample(plan, call, SEED, StopRule(criterion="residual", residual=threshold))
    never = pool.sample(plan, call, SEED, StopRule(criterion="residual", residual=0.0))
    assert sizes[0] is None
    assert found.chosen == 2
    assert found.outputs[2].latent == every[2].latent
    assert never.chosen == 4


def test_stop_index_zero_returns_the_preview(shared: Shared, loaded: Loaded) -> None:
    plan = chords_plan(STEPS, default_init_t(STEPS, 4))
    call = call_of("flux", STEPS)
    pool = shared("flux")
    sampled = pool.sample(plan, call, SEED, StopRule(index=0))
    oracle = pipeline_outputs(loaded("flux", "float32"), call, SEED, plan.until(0))
    assert [o.index for o in sampled.outputs] == [0]
    assert torch.equal(as_tensor(sampled.outputs[0].latent), oracle[0].latent)


def test_only_core_zero_holds_encoders_and_only_decoders_hold_a_vae(spec: Spec) -> None:
    with pool_of(spec("flux", "float32"), 3, decoders=frozenset({2})) as pool:
        first, second, third = pool.components
    assert {"text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"} < set(first)
    assert "vae" not in first
    assert second == ("transformer",)
    assert third == ("transformer", "vae")
