"""Pipelines that start from a picture or a video: core 0 is stock, every output the oracle's.

The float32 cores of a member are three, of which core 1 holds neither VAE nor image encoder.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ImageOps
from torch import Tensor

from chords_cli.engine.pool import Pool, Sampled
from chords_cli.models.inputs.strength import steps_taken
from chords_cli.pipelines.load.spec import SEEING, ModelSpec
from chords_cli.sampler import Plan, chords_plan, default_init_t, wavefront_plan
from chords_cli.sampler.stop import StopRule
from tests.doubles import zoo_pictures, zoo_strength
from tests.pipeline.conftest import as_tensor, pool_of, threads_of
from tests.pipeline.members import SEED, picture_call
from tests.pipeline.oracle import Oracle, stock_picture

OTHER_SEED = 8

STRENGTHS = (0.3, 1.0, None)
"""Beside that of a member's own call; None leaves it to the pipeline."""

Loaded = Callable[[str, str], Any]


class Cores:
    """A member's cores, its whole pipeline in this process, and its smallest call."""

    def __init__(self, member: str, pipe: Any, pool: Pool, cores: int) -> None:
        self.pipe, self.pool, self.cores = pipe, pool, cores
        self.call = picture_call(member)

    @functools.cached_property
    def first(self) -> tuple[Sampled, np.ndarray]:
        """What two cores make of the call."""
        return self.sample(self.chords(self.call), self.call)

    def taken(self, call: dict[str, Any]) -> int:
        return steps_taken(type(self.pipe).__name__, call)

    def chords(self, call: dict[str, Any]) -> Plan:
        steps = self.taken(call)
        return chords_plan(steps, default_init_t(steps, 2))

    def wavefront(self, call: dict[str, Any]) -> Plan:
        steps = self.taken(call)
        return wavefront_plan(steps, 3, steps // 2)

    def sample(
        self, plan: Plan, call: dict[str, Any], seed: int = SEED, *, chosen: int | None = None
    ) -> tuple[Sampled, np.ndarray]:
        """A sample up to an output, core 0's unless another one is chosen, and its frames."""
        stop, made = StopRule(index=plan.hits[-1].index if chosen is None else chosen), []
        sampled = self.pool.sample(
            plan, call, seed, stop, on_output=lambda output: made.append(output.frames)
        )
        return sampled, made[-1]

    def stock(self, call: dict[str, Any], seed: int = SEED) -> tuple[Tensor, np.ndarray]:
        with threads_of(self.cores):
            return stock_picture(self.pipe, call, seed)

    def assert_oracle(
        self, sampled: Sampled, plan: Plan, call: dict[str, Any], seed: int = SEED
    ) -> None:
        with threads_of(self.cores):
            expected = Oracle(self.pipe, call, seed, plan.steps).outputs(plan)
        for output, oracle in zip(sampled.outputs, expected, strict=True):
            assert torch.equal(as_tensor(output.latent), oracle.latent), output.index


@pytest.fixture(scope="module")
def cores(
    request: pytest.FixtureRequest, spec: Callable[[str, str], ModelSpec], loaded: Loaded
) -> Iterator[Cores]:
    """The cores of one member, for all tests of it."""
    model = spec(request.param, "float32")
    with pool_of(model, 3, decoders=frozenset({0, 2})) as pool:
        yield Cores(request.param, loaded(request.param, "float32"), pool, 3)


EVERY_DAY = ("flux-img2img", "flux-kontext", "wan-i2v")
"""A picture that is changed, one that is edited, and one that a clip begins with."""

LONG = ("hunyuan1-5-i2v", "qwen-edit")
"""Of many tokens; `test_zoo`'s hunyuan1-5 and qwen-edit-plus try most of what they have."""


def mark_of(member: str) -> pytest.MarkDecorator | tuple[()]:
    """When a member is tried: every day, by `.ci/run`, or before a release."""
    if member in EVERY_DAY:
        return ()
    return pytest.mark.broad if member in LONG else pytest.mark.slow


every_member = pytest.mark.parametrize(
    "cores",
    [pytest.param(name, marks=mark_of(name)) for name in zoo_pictures.BUILDERS],
    indirect=True,
)
members_with_strength = pytest.mark.parametrize("cores", zoo_strength.BUILDERS, indirect=True)


def turned(call: dict[str, Any]) -> dict[str, Any]:
    """The same call with all of its pictures upside down."""
    flip = {name: call[name] for name in zoo_pictures.PICTURES if name in call}
    return call | {
        name: [ImageOps.flip(one) for one in value]
        if isinstance(value, list)
        else ImageOps.flip(value)
        for name, value in flip.items()
    }


def latents(sampled: Sampled) -> list[Any]:
    return [output.latent for output in sampled.outputs]


def assert_stock(sampled: Sampled, frames: np.ndarray, stock: tuple[Tensor, np.ndarray]) -> None:
    latent = as_tensor(sampled.outputs[-1].latent)
    assert torch.equal(latent, stock[0].to(latent.dtype))  # some cast what a step returns
    assert np.array_equal(frames, stock[1])


@every_member
def test_core_zero_is_stock_and_the_fast_core_is_the_oracle(cores: Cores) -> None:
    call, plan = cores.call, cores.chords(cores.call)
    sampled, frames = cores.first
    assert_stock(sampled, frames, cores.stock(call))
    cores.assert_oracle(sampled, plan, call)
    _, fast, exact = (as_tensor(output.latent) for output in sampled.outputs)
    assert torch.isfinite(fast).all()
    assert not torch.equal(fast, exact)


@pytest.mark.broad
@every_member
def test_three_cores_are_the_oracle_whose_fastest_one_decodes_and_whose_seed_asks_no_encoder(
    cores: Cores,
) -> None:
    call, plan = cores.call, cores.wavefront(cores.call)
    fastest, frames = cores.sample(plan, call, chosen=1)
    restored, _ = cores.pool.restore(call, SEED, plan.steps, fastest.outputs[-1].latent)
    assert fastest.outputs[-1].core == 2
    assert np.array_equal(frames, restored)
    other, frames = cores.sample(plan, call, OTHER_SEED)
    assert other.encode_seconds == 0
    assert_stock(other, frames, cores.stock(call, OTHER_SEED))
    cores.assert_oracle(other, plan, call, OTHER_SEED)


@every_member
def test_core_one_holds_nothing_that_looks_at_a_picture(cores: Cores) -> None:
    zero, one, two = map(set, cores.pool.components)
    assert zero & SEEING.keys()
    assert not one & SEEING.keys()
    assert two & SEEING.keys() == {"vae"}


@pytest.mark.broad
@every_member
def test_another_picture_is_encoded_anew_and_the_first_one_gives_its_bits_again(
    cores: Cores,
) -> None:
    call, plan = cores.call, cores.chords(cores.call)
    first, _ = cores.first
    other, frames = cores.sample(plan, turned(call))
    again, _ = cores.sample(plan, call)
    assert other.encode_seconds > 0
    assert_stock(other, frames, cores.stock(turned(call)))
    assert latents(other) != latents(first) == latents(again)


@pytest.mark.broad
@members_with_strength
@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_strength_leaves_as_many_steps_as_the_pipeline_takes(
    strength: float | None, cores: Cores
) -> None:
    call = {**cores.call, "strength": strength}
    if strength is None:
        del call["strength"]
    plan = cores.chords(call)
    sampled, frames = cores.sample(plan, call)
    assert_stock(sampled, frames, cores.stock(call))
    cores.assert_oracle(sampled, plan, call)


@pytest.mark.broad
@pytest.mark.parametrize("member", zoo_pictures.BUILDERS)
def test_core_zero_is_stock_in_bfloat16_and_the_fast_core_is_the_oracle(
    member: str, spec: Callable[[str, str], ModelSpec], loaded: Loaded
) -> None:
    with pool_of(spec(member, "bfloat16"), 2, decoders=frozenset({0})) as pool:
        cores = Cores(member, loaded(member, "bfloat16"), pool, 2)
        plan = cores.chords(cores.call)
        sampled, frames = cores.sample(plan, cores.call)
    assert_stock(sampled, frames, cores.stock(cores.call))
    cores.assert_oracle(sampled, plan, cores.call)
