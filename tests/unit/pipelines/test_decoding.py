"""A finished latent is decoded by the pipeline's own call, seldom asking the model."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, FluxPipeline, OmniGenPipeline

from chords_cli.pipelines.conditions.encoding import encodes_apart
from chords_cli.pipelines.core_pipeline import CorePipeline
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.pipelines.said import Said
from tests.doubles import tiny, zoo
from tests.doubles.problems import StockDriver

STEPS, SEED = 3, 7

EVALUATIONS = {"flux": 0, "flux2": 0, "sdxl": 0, "pixart-sigma": 0, "ltx": 0, "ernie-image": 1}
"""How often decoding asks the model; Ernie-Image alone prepares its noise where none can see it."""


def core_of(pipe: DiffusionPipeline) -> CorePipeline:
    """The pipeline as the only core."""
    pipe.set_progress_bar_config(disable=True)
    spec = ModelSpec(folder="", pipeline="", dtype="float32")
    return CorePipeline(
        pipe, 0, lambda value: value, Encoders(pipe, spec, torch.device("cpu")), Said(print)
    )


@pytest.mark.parametrize("family", EVALUATIONS)
def test_decoding_asks_the_model_only_where_the_beginning_of_the_loop_is_hidden(
    family: str,
) -> None:
    pipe = (tiny.BUILDERS | zoo.BUILDERS)[family]()
    call = {"prompt": "a cat", **(tiny.CALLS | zoo.CALLS)[family], "num_inference_steps": STEPS}
    core, asked = core_of(pipe), []
    latent = core.sample(call, SEED, STEPS, tuple(range(STEPS)), StockDriver())
    assert latent is not None
    model: Any = getattr(pipe, "transformer", None) or pipe.unet
    model.register_forward_hook(lambda *_: asked.append(True))
    frames = core.decode(call, SEED, STEPS, latent)
    assert len(asked) == EVALUATIONS[family]
    assert np.array_equal(frames, core.decode(call, SEED, STEPS, latent))
    assert not np.array_equal(frames, core.decode(call, SEED, STEPS, torch.zeros_like(latent)))


@pytest.mark.parametrize("family", ["cogvideo", "hunyuan", "wan", "sana", "ltx", "flux2-klein"])
def test_picture_in_bfloat16_equals_stock_whatever_type_a_step_is_computed_in(family: str) -> None:
    pipe = (tiny.BUILDERS | zoo.BUILDERS)[family]().to(torch.bfloat16)
    call = {"prompt": "a cat", **(tiny.CALLS | zoo.CALLS)[family], "num_inference_steps": STEPS}
    core, noise = core_of(pipe), torch.Generator("cpu").manual_seed(SEED)
    made = pipe(**call, generator=noise, output_type="pil", return_dict=False)[0]
    stock = np.stack([np.asarray(frame) for frame in (made[0] if type(made[0]) is list else made)])
    latent = core.sample(call, SEED, STEPS, tuple(range(STEPS)), StockDriver())
    assert latent is not None
    assert np.array_equal(core.decode(call, SEED, STEPS, latent), stock)
    assert np.array_equal(core.decode(call, SEED, STEPS, latent.float()), stock)


def test_next_sample_begins_with_noise_again_after_a_decoded_one() -> None:
    core, call = core_of(tiny.flux()), {"prompt": "a cat", **tiny.CALLS["flux"]}
    call["num_inference_steps"] = STEPS
    walk = tuple(range(STEPS))
    first = core.sample(call, SEED, STEPS, walk, StockDriver())
    assert first is not None
    core.decode(call, SEED, STEPS, first)
    again = core.sample(call, SEED, STEPS, walk, StockDriver())
    assert again is not None
    assert torch.equal(first, again)


def test_pipeline_that_encodes_inside_its_call_keeps_its_encoders_on_every_core() -> None:
    assert encodes_apart(FluxPipeline)
    assert not encodes_apart(OmniGenPipeline)
