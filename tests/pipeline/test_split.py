"""A core of two processes: guidance is split between them, the result stays."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxInpaintPipeline
from PIL import Image

from chords_cli.engine.pool import Pool, Sampled
from chords_cli.errors import ChordsError, UsageError
from chords_cli.events import CoreReady, CoreStarted, CoreStepped, Event
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler.stop import StopRule
from tests.doubles import tiny
from tests.doubles.loras import tiny_lora
from tests.pipeline.conftest import BUILDERS, call_of, pool_of
from tests.pipeline.members import CLOSE, DOUBLED, NEGATIVE, PLANS, SEED, STEPS, gap, sampled
from tests.pipeline.oracle import Oracle, stock_latent

FURTHER: dict[str, dict[str, Any]] = {"flux": NEGATIVE, "hunyuan": NEGATIVE}
"""What makes families guided that are told their guidance."""

DISTILLED = ("flux2",)
GUIDED = sorted(BUILDERS.keys() - set(DISTILLED))

CACHE = {"threshold": 0.2}

Spec = Callable[[str, str], ModelSpec]
Loaded = Callable[[str, str], Any]


def guided(family: str) -> dict[str, Any]:
    return call_of(family, STEPS) | FURTHER.get(family, {})


def split_pool(spec: ModelSpec, cores: int, **settings: Any) -> Pool:
    """A pool of so many cores with two processes each."""
    defaults: dict[str, Any] = {"decoders": frozenset(range(cores)), "members": 2}
    return pool_of(spec, 2 * cores, **(defaults | settings))


def latents(made: Sampled) -> list[Any]:
    return [output.latent for output in made.outputs]


@pytest.mark.broad
@pytest.mark.parametrize("family", GUIDED)
def test_every_output_of_split_cores_is_that_of_whole_ones(
    family: str, spec: Spec, loaded: Loaded
) -> None:
    call = guided(family)
    pipe = loaded(family, "float32")
    stock = stock_latent(pipe, call, SEED) if family != "flux2-klein" else None
    oracle = Oracle(pipe, call, SEED)
    with split_pool(spec(family, "float32"), 2) as pool:
        for name, plan in PLANS.items():
            made = sampled(pool, plan, call)
            for output, expected in zip(made, oracle.outputs(plan), strict=True):
                far = gap(output, expected.latent)
                assert far == 0 if family not in DOUBLED else far <= CLOSE, name
            if stock is not None and stock.shape == made[-1].shape:
                assert gap(made[-1], stock) <= (CLOSE if family in DOUBLED else 0), name
        again = sampled(pool, plan, call)
    assert all(map(torch.equal, made, again))


@pytest.mark.parametrize(
    "loaded_as",
    [
        pytest.param({"compile": {"backend": "eager"}}, marks=pytest.mark.slow, id="compiled"),
        pytest.param({"cache": {"name": "first-block", "args": CACHE}}, id="cached"),
        pytest.param({"loras": 0.7}, id="styled"),
    ],
)
def test_a_split_keeps_the_bits_of_what_else_is_done_to_a_model(
    loaded_as: dict[str, Any], spec: Spec, tmp_path: Path
) -> None:
    if scale := loaded_as.get("loras"):
        loaded_as = {"loras": ((str(tiny_lora(tmp_path)), scale),)}
    model, call = replace(spec("flux", "float32"), **loaded_as), guided("flux")
    with pool_of(model, 1) as pool:
        whole = pool.sample(PLANS["alone"], call, SEED, StopRule(), keep=True)
    with split_pool(model, 1) as pool:
        halves = pool.sample(PLANS["alone"], call, SEED, StopRule(), keep=True)
        again = pool.sample(PLANS["alone"], call, SEED, StopRule(), keep=True)
    assert latents(whole) == latents(halves) == latents(again)
    assert whole.evaluated == halves.evaluated == again.evaluated


def test_both_members_put_known_parts_back_with_the_noise_of_the_same_step(tmp_path: Path) -> None:
    FluxInpaintPipeline(**tiny.flux().components).save_pretrained(tmp_path)
    model = ModelSpec(
        folder=str(tmp_path), pipeline="FluxInpaintPipeline", dtype="float32", sees=True
    )
    picture, mask = Image.new("RGB", (8, 8), "red"), Image.linear_gradient("L").resize((8, 8))
    call = guided("flux") | {"image": picture, "mask_image": mask, "strength": 1.0}
    made = []
    for pool in (pool_of(model, 1), split_pool(model, 1)):
        with pool as cores:
            made.append(cores.sample(PLANS["alone"], call, SEED, StopRule(), keep=True))
    assert latents(made[0]) == latents(made[1])


@pytest.mark.broad
@pytest.mark.parametrize(("start", "stop"), [(0.0, 0.5), (0.5, 1.0)])
def test_a_guider_may_guide_in_some_steps_only(
    start: float, stop: float, spec: Spec, tmp_path: Path
) -> None:
    model = spec("hunyuan1-5", "float32")
    folder = Path(shutil.copytree(model.folder, tmp_path / "some"))
    config = folder / "guider" / "guider_config.json"
    settings = json.loads(config.read_text()) | {"start": start, "stop": stop}
    config.write_text(json.dumps(settings))
    model, call = replace(model, folder=str(folder)), call_of("hunyuan1-5", STEPS)
    made = []
    for pool in (pool_of(model, 2), split_pool(model, 2)):
        with pool as cores:
            for prompt in ("a cat", "a dog"):
                job = call | {"prompt": prompt}
                made.append(cores.sample(PLANS["wavefront"], job, SEED, StopRule(), keep=True))
    whole, split = made[:2], made[2:]
    assert [latents(one) for one in whole] == [latents(one) for one in split]


def test_stopping_early_leaves_nothing_on_the_way(spec: Spec) -> None:
    plan, call = PLANS["wavefront"], guided("flux")
    with split_pool(spec("flux", "float32"), 2) as pool:
        before = sampled(pool, plan, call)
        for seed in range(4):
            at_once = StopRule(criterion="residual", residual=1e9)
            assert pool.sample(plan, call, seed, at_once).chosen == 1
            assert pool.sample(plan, call, seed, StopRule(index=0)).chosen == 0
        after = sampled(pool, plan, call)
    assert all(map(torch.equal, before, after))


def test_both_members_of_a_core_say_what_they_hold_and_what_it_took(spec: Spec) -> None:
    with split_pool(spec("wan", "float32"), 1) as pool:
        lead, helper = pool.components
        made = pool.sample(PLANS["alone"], guided("wan"), SEED, StopRule())
    assert {"text_encoder", "transformer", "vae"} <= set(lead)
    assert set(helper) == {"transformer"}
    assert len(made.peak_memory) == 2


@pytest.mark.parametrize(
    ("family", "further"),
    [
        ("flux", {}),
        ("flux2", {}),
        ("wan", {"guidance_scale": 1.0}),
        ("sd3", {"guidance_scale": 1.0}),
        ("qwen-image", {"true_cfg_scale": 1.0}),
    ],
)
def test_a_pipeline_that_calls_its_model_once_a_step_is_refused(
    family: str, further: dict[str, Any], spec: Spec
) -> None:
    call = call_of(family, STEPS) | further
    with (
        pytest.raises(UsageError, match=r"(?m)calls its model once a step.*nothing to split$"),
        split_pool(spec(family, "float32"), 1) as pool,
    ):
        pool.sample(PLANS["alone"], call, SEED, StopRule())


class Killer:
    """A listener that kills one process of core 1 when a given kind of event comes from core 0."""

    def __init__(self, member: int, kind: type[Event]) -> None:
        self._member, self._kind = member, kind
        self.pids: dict[tuple[int, int], int] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, CoreStarted) and event.pid:
            self.pids[event.core, event.member] = event.pid
        if isinstance(event, self._kind) and event.core == 0 and len(self.pids) == 4:
            os.kill(self.pids[1, self._member], signal.SIGKILL)
            self.pids.clear()  # once: it may be gone when core 0 takes its next step


@pytest.mark.parametrize("kind", [CoreReady, CoreStepped])
@pytest.mark.parametrize(("member", "name"), [(0, "core 1"), (1, "core 1's helper")])
def test_a_member_that_is_killed_ends_the_run_with_its_name(
    member: int, name: str, kind: type[Event], spec: Spec
) -> None:
    killer = Killer(member, kind)
    with (
        pytest.raises(ChordsError) as caught,
        split_pool(spec("flux", "float32"), 2, listener=killer) as pool,
    ):
        sampled(pool, PLANS["wavefront"], guided("flux"))
    died = rf"{name} on cpu died while [a-z ]+: killed by SIGKILL"
    assert re.fullmatch(died, caught.value.message)
