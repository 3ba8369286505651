"""Cores that start from pictures, on two labelled devices: they make what the host makes."""

from dataclasses import replace
from typing import Any

import pytest

from chords_cli.models.inputs.strength import steps_taken
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from tests.pipeline.members import picture_call
from tests.pipeline.test_labelled_workers import (
    LABELLED,
    Labelled,
    Made,
    Spec,
    check_equal,
    labelled,
    make,
    pool_on,
)

pytestmark = pytest.mark.broad

__all__ = ["labelled"]

MEMBERS = (
    "flux-inpaint",  # puts known parts back
    "flux2-image",  # reads buffers of a VAE without weights
    "sdxl-ip-adapter",
    "wan-ti2v",  # has a timestep for every token
    "hunyuan-i2v",
    "ltx-i2v",  # draws noise for its decoder
)


def made_on(devices: tuple[str, ...], model: ModelSpec, call: dict[str, Any]) -> list[Made]:
    steps = steps_taken(model.pipeline, call)
    with pool_on(devices, model) as pool:
        return [make(pool, chords_plan(steps, default_init_t(steps, 2)), call)]


@pytest.mark.parametrize("member", MEMBERS)
def test_devices_make_the_outputs_and_pictures_of_the_host(
    member: str, spec: Spec, labelled: Labelled
) -> None:
    model, call = spec(member, "float32"), picture_call(member)
    expected = made_on(("cpu", "cpu"), model, call)
    labelled.start()
    check_equal(made_on(LABELLED, model, call), expected)


@pytest.mark.parametrize("devices", [("cpu", "cuda:0"), ("cuda:0", "cpu")])
def test_a_device_and_the_host_make_what_the_host_makes(
    devices: tuple[str, ...], spec: Spec, labelled: Labelled
) -> None:
    model, call = spec("sdxl-ip-adapter", "float32"), picture_call("sdxl-ip-adapter")
    expected = made_on(("cpu", "cpu"), model, call)
    labelled.start()
    (made,) = made_on(devices, model, call)
    assert made.outputs == expected[0].outputs


def test_an_image_encoder_that_leaves_its_device_comes_back_for_the_next_picture(
    spec: Spec, labelled: Labelled
) -> None:
    model, call = spec("wan-i2v", "float32"), picture_call("wan-i2v")
    expected = made_on(("cpu", "cpu"), model, call)
    labelled.start()
    left = replace(model, components={"image_encoder": {"offload": "always"}})
    check_equal(made_on(LABELLED, left, call), expected)
    moved = [wait for wait in labelled.waits(0) if "pipelines/load/offload.py" in wait]
    assert moved
