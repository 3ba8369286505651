"""Models with parts of other folders: a ControlNet, and an IP-Adapter with the encoder it needs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
)
from transformers import CLIPVisionModelWithProjection

from chords_cli.engine.pool import Pool
from chords_cli.pipelines.load.spec import ModelSpec, PartSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests.doubles import zoo, zoo_controls
from tests.doubles.adapters import image_encoder, save_ip_adapter
from tests.doubles.pictures import picture
from tests.pipeline.conftest import PROMPT, as_tensor, pool_of, threads_of
from tests.pipeline.members import CLOSE, gap
from tests.pipeline.oracle import Oracle, stock_picture

STEPS, SEED, SCALE = 5, 7, 0.6
PLAN = chords_plan(STEPS, default_init_t(STEPS, 2))
EXACT = StopRule(index=PLAN.hits[-1].index)
CALL = {**zoo.CALLS["sdxl"], "prompt": PROMPT, "num_inference_steps": STEPS}


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is loaded, the same model as diffusers alone loads it, and a call of it."""

    spec: ModelSpec
    stock: Any
    call: dict[str, Any]
    everywhere: frozenset[str]
    """The components from elsewhere that every core holds."""


def controlled(folder: Path, pipeline: Path) -> Model:
    net = folder / "net"
    zoo_controls.sdxl_controlnet().controlnet.save_pretrained(net)
    return Model(
        spec=ModelSpec(
            folder=str(pipeline),
            pipeline="StableDiffusionXLControlNetPipeline",
            dtype="float32",
            parts={"controlnet": PartSpec("diffusers", "ControlNetModel", str(net))},
        ),
        stock=StableDiffusionXLControlNetPipeline.from_pretrained(
            pipeline, controlnet=ControlNetModel.from_pretrained(net)
        ),
        call={**CALL, "image": picture(32), "controlnet_conditioning_scale": SCALE},
        everywhere=frozenset({"controlnet"}),
    )


def adapted(folder: Path, pipeline: Path) -> Model:
    encoder, cls = folder / "encoder", CLIPVisionModelWithProjection
    image_encoder().save_pretrained(encoder)
    stock = StableDiffusionXLPipeline.from_pretrained(
        pipeline, image_encoder=cls.from_pretrained(encoder)
    )
    file = save_ip_adapter(stock.unet, folder / "adapter" / "ip.safetensors")
    stock.load_ip_adapter(
        str(file.parent), subfolder="", weight_name=file.name, image_encoder_folder=None
    )
    stock.set_ip_adapter_scale(SCALE)
    return Model(
        spec=ModelSpec(
            folder=str(pipeline),
            pipeline="StableDiffusionXLPipeline",
            dtype="float32",
            sees=True,
            parts={"image_encoder": PartSpec("transformers", cls.__name__, str(encoder))},
            adapters=((str(file), SCALE),),
        ),
        stock=stock,
        call={**CALL, "ip_adapter_image": picture(32)},
        everywhere=frozenset(),
    )


@pytest.fixture(scope="module", params=[controlled, adapted], ids=lambda make: make.__name__)
def model(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    repository: Callable[[str], Path],
) -> Model:
    made: Model = request.param(tmp_path_factory.mktemp("elsewhere"), repository("sdxl"))
    made.stock.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def pool(model: Model) -> Iterator[Pool]:
    with pool_of(model.spec, 2, decoders=frozenset({0})) as made:
        yield made


def test_core_zero_is_stock_and_the_fast_core_is_the_oracle(model: Model, pool: Pool) -> None:
    made: list[np.ndarray] = []
    sampled = pool.sample(
        PLAN, model.call, SEED, EXACT, on_output=lambda one: made.append(one.frames)
    )
    with threads_of(2):
        latent, frames = stock_picture(model.stock, model.call, SEED)
        expected = Oracle(model.stock, model.call, SEED, STEPS).outputs(PLAN)
    assert torch.equal(as_tensor(sampled.outputs[-1].latent), latent)
    assert np.array_equal(made[-1], frames)
    for output, oracle in zip(sampled.outputs, expected, strict=True):
        assert torch.equal(as_tensor(output.latent), oracle.latent), output.index


def test_a_core_holds_what_it_runs(model: Model, pool: Pool) -> None:
    zero, one = map(set, pool.components)
    assert zero >= model.spec.parts.keys()
    assert one & model.spec.parts.keys() == model.everywhere


def test_both_halves_of_split_guidance_get_it(model: Model) -> None:
    with pool_of(model.spec, 4, decoders=frozenset({0, 1}), members=2) as pool:
        outputs = pool.sample(PLAN, model.call, SEED, EXACT).outputs
    expected, _ = stock_picture(model.stock, model.call, SEED)
    assert gap(as_tensor(outputs[-1].latent), expected) <= CLOSE


def test_it_changes_what_is_made(model: Model) -> None:
    """The tests above would also pass for a part that does nothing."""
    turned = {
        name: value.rotate(180) if hasattr(value, "rotate") else value
        for name, value in model.call.items()
    }
    latents = [stock_picture(model.stock, call, SEED)[0] for call in (model.call, turned)]
    assert not torch.equal(*latents)
