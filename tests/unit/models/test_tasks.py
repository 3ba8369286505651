"""What a model does and what it starts from, as its preset and its pipelines tell."""

import pytest

from chords_cli.models.inputs.tasks import starts_of, tasks_of
from chords_cli.presets.files import check_preset

BASE = {
    "name": "toy",
    "title": "Toy",
    "repo": "nobody/nothing",
    "call": {"num_inference_steps": 50},
}


def preset(kind, pipeline, **keys):
    pace = {"fps": 8} if kind == "video" else {}
    return check_preset({**BASE, "kind": kind, "pipeline": pipeline, **pace, **keys}, "toy")


OPTIONAL = {"required": False}

CASES = [
    ("image", "FluxPipeline", {}, ["text to image"]),
    ("image", "FluxKontextPipeline", {"inputs": {"image": {}}}, ["editing"]),
    ("image", "FluxKontextPipeline", {}, ["text to image", "editing"]),
    ("image", "FluxFillPipeline", {"inputs": {"image": {}, "mask": {}}}, ["inpainting"]),
    ("image", "FluxControlPipeline", {"inputs": {"control": {}}}, ["control"]),
    (
        "image",
        "Flux2Pipeline",
        {"inputs": {"image": {"several": True, **OPTIONAL}}},
        ["text to image", "editing"],
    ),
    (
        "image",
        "FluxPipeline",
        {"variants": {"image": "FluxImg2ImgPipeline", "mask": "FluxInpaintPipeline"}},
        ["text to image", "inpainting", "image to image"],
    ),
    (
        "image",
        "StableDiffusionXLPipeline",
        {
            "inputs": {"image": {"argument": "ip_adapter_image"}},
            "adapters": [{"repo": "a/b", "file": "c.safetensors"}],
        },
        ["control"],
    ),
    ("video", "WanPipeline", {}, ["text to video"]),
    ("video", "WanImageToVideoPipeline", {}, ["image to video"]),
    (
        "video",
        "WanPipeline",
        {"variants": {"image": "WanImageToVideoPipeline", "video": "WanVideoToVideoPipeline"}},
        ["text to video", "video to video", "image to video"],
    ),
    (
        "video",
        "WanVACEPipeline",
        {"inputs": {"video": OPTIONAL, "image": {"several": True, **OPTIONAL}}},
        ["video to video", "text to video"],
    ),
    ("image", "NoSuchPipeline", {"inputs": {"image": {}}}, ["editing"]),
    ("image", "NoSuchPipeline", {}, ["text to image"]),
]


@pytest.mark.parametrize(("kind", "pipeline", "keys", "tasks"), CASES)
def test_what_a_model_does_follows_from_what_it_starts_from(kind, pipeline, keys, tasks):
    assert list(tasks_of(preset(kind, pipeline, **keys))) == tasks


def test_files_that_are_needed_come_first_and_further_ones_name_their_pipeline():
    inputs = {"mask": OPTIONAL, "image": {"several": True}}
    found = starts_of(
        preset("image", "FluxFillPipeline", inputs=inputs, variants={"control": "APipeline"})
    )
    assert [(start.role, start.required, start.several, start.pipeline) for start in found] == [
        ("image", True, True, None),
        ("mask", False, False, None),
        ("control", False, False, "APipeline"),
    ]
