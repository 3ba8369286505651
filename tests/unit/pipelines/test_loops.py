"""A loop that is not the plan's is refused before its first step, or where it ends too early."""

import inspect
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.core_pipeline import CorePipeline
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.pipelines.said import Said
from tests.doubles import tiny, zoo, zoo_first_frames
from tests.doubles.problems import StockDriver
from tests.doubles.tiny_parts import remade

STEPS = 4
WALK = tuple(range(STEPS))


class Counting(StockDriver):
    """Takes the scheduler's own steps and counts them."""

    taken = 0

    def advance(self, latent: torch.Tensor, drift: torch.Tensor) -> torch.Tensor:
        self.taken += 1
        return super().advance(latent, drift)


def core_of(pipe: DiffusionPipeline, *, context: bool = False) -> CorePipeline:
    pipe.set_progress_bar_config(disable=True)
    spec = ModelSpec(folder="", pipeline="", dtype="float32")
    encoders = Encoders(pipe, spec, torch.device("cpu"))
    return CorePipeline(pipe, 0, lambda value: value, encoders, Said(print), context=context)


def call_of(family: str, **further: Any) -> dict[str, Any]:
    calls = tiny.CALLS | zoo.CALLS
    return {"prompt": "a cat", **calls[family], "num_inference_steps": STEPS, **further}


def test_loop_that_leaves_out_steps_is_refused_before_the_first_one() -> None:
    driver, call = Counting(), call_of("sdxl", denoising_end=0.6)
    with pytest.raises(UsageError) as caught:
        core_of(zoo.sdxl()).sample(call, 0, STEPS, WALK, driver)
    assert caught.value.message == ("StableDiffusionXLPipeline takes 2 of 4 steps, the plan has 4")
    assert "denoising_end" in caught.value.hint
    assert driver.taken == 0


@pytest.mark.parametrize("family", ["flux", "lumina2"])
def test_loop_that_ends_before_its_walk_is_an_error_with_the_step(family: str) -> None:
    pipe = (tiny.BUILDERS | zoo.BUILDERS)[family]()

    def leave(pipe: DiffusionPipeline, number: int, *_: Any) -> dict[str, Any]:
        pipe.scheduler.step = lambda drift, timestep, latent, **_: (latent,)
        return {}

    driver = Counting()
    with pytest.raises(ChordsError) as caught:
        core_of(pipe).sample(call_of(family, callback_on_step_end=leave), 0, STEPS, WALK, driver)
    assert caught.value.message == f"{type(pipe).__name__} left its loop at step 1 of 4"
    assert driver.taken == 1


def test_loop_that_begins_again_is_refused() -> None:
    pipe = tiny.flux()

    def again(pipe: DiffusionPipeline, *_: Any) -> dict[str, Any]:
        pipe.scheduler.set_timesteps(STEPS, mu=1.0)
        return {}

    with pytest.raises(UsageError, match=r"(?m)^FluxPipeline begins a second loop in one call$"):
        core_of(pipe).sample(
            call_of("flux", callback_on_step_end=again), 0, STEPS, WALK, Counting()
        )


def test_model_that_is_told_where_its_step_ends_hears_what_it_hears_in_stock() -> None:
    pipe: Any = zoo_first_frames.hunyuan1_5_i2v()
    pipe.transformer = remade(pipe.transformer, use_meanflow=True)
    call = {"prompt": "a cat", **zoo_first_frames.CALLS["hunyuan1-5-i2v"]}
    call["num_inference_steps"] = 3
    told: list[Tensor] = []
    pipe.transformer.register_forward_pre_hook(
        lambda model, args, kwargs: told.append(kwargs["timestep_r"]), with_kwargs=True
    )
    pipe(**call, generator=torch.Generator().manual_seed(0), output_type="latent")
    stock = told[:]
    told.clear()
    core_of(pipe).sample(call, 0, 3, (0, 1, 2), StockDriver())
    assert len(told) == len(stock) > 3
    assert all(map(torch.equal, told, stock))


def test_pipeline_numbers_as_before_once_it_follows_no_chain() -> None:
    pipe = tiny.flux()
    core_of(pipe).sample(call_of("flux"), 0, STEPS, WALK, Counting())
    assert "enumerate" not in inspect.unwrap(type(pipe).__call__).__globals__


@pytest.mark.parametrize("family", ["flux", "ernie-image"])
def test_members_that_answer_together_need_a_pipeline_that_decodes_without_its_model(
    family: str,
) -> None:
    core = core_of((tiny.BUILDERS | zoo.BUILDERS)[family](), context=True)
    if family == "flux":
        assert core.sample(call_of(family), 0, STEPS, WALK, Counting()) is not None
        return
    with pytest.raises(UsageError, match="has to ask its model to decode") as caught:
        core.sample(call_of(family), 0, STEPS, WALK, Counting())
    assert caught.value.hint == "use context=1"
