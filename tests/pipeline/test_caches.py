"""A step cache in a core's process: diffusers' own bits, new for every sample, its work counted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diffusers.hooks
import pytest
import torch

from chords_cli.engine.pool import Sampled
from chords_cli.errors import ChordsError
from chords_cli.events import Event, Warned
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import CACHES, ModelSpec
from chords_cli.sampler import sequential_plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import as_tensor, call_of, pool_of
from tests.pipeline.oracle import stock_latent

STEPS, SEED = 8, 7

ARGS: dict[str, dict[str, Any]] = {
    "first-block": {"threshold": 10.0},
    "taylorseer": {"cache_interval": 3, "taylor_factors_dtype": "float32"},
    "mag": {"mag_ratios": [1.0] * STEPS, "num_inference_steps": STEPS},
    "faster": {"is_guidance_distilled": True, "tensor_format": "BCHW"},
    "pyramid": {"spatial_attention_timestep_skip_range": [0, 1000]},
}


def call(family: str, name: str) -> dict[str, Any]:
    """The family's call; without guidance where a cache counts calls."""
    once = {"true_cfg_scale": 1.0} if name in ("faster", "pyramid") else {}
    return call_of(family, STEPS) | once


def sampled(model: ModelSpec, arguments: dict[str, Any], told: Callable[[Event], None]) -> Any:
    """Three samples of the same cores: two of one seed, another one between them."""
    plan = sequential_plan(STEPS)
    with pool_of(model, 1, listener=told) as pool:
        return [pool.sample(plan, arguments, seed, StopRule()) for seed in (SEED, 1, SEED)]


@pytest.mark.parametrize("name", CACHES)
def test_a_core_makes_what_diffusers_makes_with_that_cache_every_time(
    spec: Callable[[str], ModelSpec], name: str
) -> None:
    arguments = call("flux", name)
    made: list[Sampled] = sampled(
        replace(spec("flux"), cache={"name": name, "args": ARGS[name]}),
        arguments,
        lambda event: None,
    )
    pipe = load_pipeline(spec("flux"), device=torch.device("cpu"), encodes=True, decodes=True)
    plain = stock_latent(pipe, arguments, SEED)
    settings = {
        key: getattr(torch, value) if key.endswith("dtype") else value
        for key, value in ARGS[name].items()
    }
    if name in ("faster", "pyramid"):
        settings["current_timestep_callback"] = lambda: pipe.current_timestep
    pipe.transformer.enable_cache(getattr(diffusers.hooks, CACHES[name])(**settings))  # type: ignore[index]
    stock = stock_latent(pipe, arguments, SEED)
    assert not torch.equal(stock, plain)
    assert torch.equal(as_tensor(made[0].outputs[-1].latent), stock)
    assert made[2].outputs[-1].latent == made[0].outputs[-1].latent
    evaluated = [one.evaluated for one in made]
    assert all(one is not None and 0 < one < STEPS for one in evaluated)
    assert evaluated[2] == evaluated[0]


def test_a_cache_that_finds_nothing_to_use_again_changes_no_bit_and_saves_nothing(
    spec: Callable[[str], ModelSpec], loaded: Callable[[str], Any]
) -> None:
    cache = {"name": "first-block", "args": {"threshold": 0.0}}
    model, arguments = replace(spec("flux"), cache=cache), call_of("flux", STEPS)
    first, *_ = sampled(model, arguments, lambda event: None)
    exact = stock_latent(loaded("flux"), arguments, SEED)
    assert torch.equal(as_tensor(first.outputs[-1].latent), exact)
    assert first.evaluated == STEPS


def test_a_calibration_tells_a_ratio_for_every_step_and_prints_nothing(
    spec: Callable[[str], ModelSpec], capfd: pytest.CaptureFixture[str]
) -> None:
    args = {"calibrate": True, "num_inference_steps": STEPS}
    model = replace(spec("flux"), cache={"name": "mag", "args": args})
    told: list[Event] = []
    sampled(model, call_of("flux", STEPS), told.append)
    said = [event.text for event in told if isinstance(event, Warned)]
    assert said[0].startswith("mag_ratios of FluxPipeline in this run: [1.0, ")
    assert said[0].count(",") == STEPS - 1
    assert capfd.readouterr().out == ""


def test_a_cache_that_finds_nothing_is_refused_by_name(spec: Callable[[str], ModelSpec]) -> None:
    cache = {"name": "taylorseer", "args": {"cache_identifiers": ["nothing"]}}
    with pytest.raises(ChordsError) as caught, pool_of(replace(spec("flux"), cache=cache), 1):
        pass
    assert caught.value.message == (
        "core 0 on cpu: cache taylorseer finds nothing to cache in FluxTransformer2DModel"
    )
