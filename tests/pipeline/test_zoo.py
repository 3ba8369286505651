"""Families that no product code knows by name: core 0 is stock, the fast core ends in a picture."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from chords_cli.engine.pool import Sampled
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests.doubles import zoo
from tests.pipeline.conftest import as_tensor, call_of, pool_of
from tests.pipeline.members import LARGE
from tests.pipeline.oracle import pipeline_outputs, stock_picture

STEPS, SEED = 6, 7
PLAN = chords_plan(STEPS, default_init_t(STEPS, 2))

SCHEDULERS: dict[str, dict[str, Any]] = {
    "sdxl with DDIM": {"class": "DDIMScheduler", "args": {"clip_sample": False}},
    "sdxl with DPM++": {"class": "DPMSolverMultistepScheduler"},
}
"""What presets may put in the place of a repository's own scheduler."""

MEMBERS = [
    pytest.param(member, marks=pytest.mark.slow if member in LARGE else ())
    for member in (*zoo.BUILDERS, *SCHEDULERS)
]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A member of the zoo on two cores, twice with the same prompt, and in stock diffusers."""

    components: tuple[tuple[str, ...], ...]
    first: Sampled
    second: Sampled
    frames: dict[int, np.ndarray]
    pipe: DiffusionPipeline
    call: dict[str, Any]


@pytest.fixture(scope="session")
def ran(spec: Callable[[str, str], ModelSpec]) -> Callable[[str], Ran]:
    """What two cores make of a member's smallest call."""

    @functools.cache
    def run(member: str) -> Ran:
        family = member.split(" ")[0]
        model = replace(spec(family, "float32"), scheduler=SCHEDULERS.get(member))
        call, frames = call_of(family, STEPS), {}
        with pool_of(model, 2) as pool:
            first, second = (
                pool.sample(
                    PLAN,
                    call,
                    seed,
                    StopRule(),
                    keep=True,
                    on_output=lambda output, seed=seed: frames.update(
                        {(seed, output.index): output.frames}
                    ),
                )
                for seed in (SEED, SEED + 1)
            )
            components = pool.components
        return Ran(
            components=components,
            first=first,
            second=second,
            frames={index: made for (seed, index), made in frames.items() if seed == SEED},
            pipe=load_pipeline(model, device=torch.device("cpu"), encodes=True, decodes=True),
            call=call,
        )

    return run


@pytest.mark.parametrize("member", MEMBERS)
def test_core_zero_ends_with_the_latent_and_the_picture_of_stock(
    member: str, ran: Callable[[str], Ran]
) -> None:
    done = ran(member)
    latent, frames = stock_picture(done.pipe, done.call, SEED)
    assert torch.equal(as_tensor(done.first.outputs[-1].latent), latent)
    assert np.array_equal(done.frames[2], frames)


@pytest.mark.parametrize("member", MEMBERS)
def test_fast_core_ends_with_a_finite_latent_and_a_picture_of_its_own(
    member: str, ran: Callable[[str], Ran]
) -> None:
    done = ran(member)
    preview, fast, exact = (as_tensor(output.latent) for output in done.first.outputs)
    assert torch.isfinite(preview).all()
    assert torch.isfinite(fast).all()
    assert not torch.equal(fast, exact)
    assert done.frames[0].shape == done.frames[1].shape == done.frames[2].shape
    assert done.frames[2].dtype == np.uint8


@pytest.mark.parametrize("member", MEMBERS)
def test_every_output_equals_the_oracle(member: str, ran: Callable[[str], Ran]) -> None:
    done = ran(member)
    expected = pipeline_outputs(done.pipe, done.call, SEED, PLAN)
    for output, oracle in zip(done.first.outputs, expected, strict=True):
        assert torch.equal(as_tensor(output.latent), oracle.latent), output.index


@pytest.mark.parametrize("member", MEMBERS[: len(zoo.BUILDERS)])
def test_prompt_is_encoded_once_and_only_by_core_zero(
    member: str, ran: Callable[[str], Ran]
) -> None:
    done = ran(member)
    core_zero, core_one = done.components
    assert {"text_encoder", "tokenizer"} <= set(core_zero)
    assert not [name for name in core_one if name.startswith(("text_encoder", "tokenizer"))]
    assert done.first.encode_seconds > 0
    assert done.second.encode_seconds == 0
