"""A pipeline of each kind by the command line: its exact output is what stock diffusers makes."""

import json

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
import yaml
from diffusers import DiffusionPipeline
from PIL import Image

from tests.doubles import zoo_pictures
from tests.pipeline.conftest import threads_of
from tests.pipeline.oracle import stock_picture

SEED, STEPS = 42, 4

KINDS = {
    "flux-kontext": {"image": "--image"},
    "flux2-images": {"image": "--image"},
    "flux-fill": {"image": "--image", "mask_image": "--mask"},
    "sdxl-controlnet": {"image": "--control"},
    "wan-i2v": {"image": "--image"},
    "wan-flf2v": {"image": "--image", "last_image": "--last-image"},
    "wan-v2v": {"video": "--video"},
    "wan-vace": {"video": "--video", "mask": "--mask", "reference_images": "--image"},
}
"""By member the option for each of its arguments that takes files."""

INPUTS = {
    "flux2-images": {"image": {"several": True}},
    "sdxl-controlnet": {"control": {"argument": "image"}},
    "wan-vace": {"image": {"several": True}},
}
"""What names do not tell of their files."""


@pytest.fixture(scope="module", params=KINDS)
def kind(request, tmp_path_factory):
    """A member's folder with its repository, a preset and its files; its call, and its options."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    zoo_pictures.BUILDERS[name]().save_pretrained(folder / "model")
    pipe = DiffusionPipeline.from_pretrained(folder / "model", dtype=torch.float32)
    call = zoo_pictures.CALLS[name] | {"num_inference_steps": STEPS}
    options = []
    for argument, option in KINDS[name].items():
        options += _options(folder, option, call[argument], clip=argument in ("video", "mask"))
    video = name.startswith("wan")
    preset = {
        "name": name,
        "title": name,
        "kind": "video" if video else "image",
        "path": "model",
        "pipeline": type(pipe).__name__,
        "dtype": "float32",
        "license": {"name": "MIT"},
        "call": {key: value for key, value in call.items() if key not in KINDS[name]},
        "inputs": INPUTS.get(name, {}),
        "sampling": {"cores": 2, "algo": "chords"},
        **({"fps": 8} if video else {}),
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(preset))
    return "video" if video else "image", folder, pipe, call, options


def test_core_zero_makes_what_stock_diffusers_makes_of_the_same_files(kind, command):
    what, folder, pipe, call, options = kind
    given = ("a cat", *options, "--cores", 2, "--stop-index", 2, "--output", "out", "-q")
    command(what, "--model", "mine.yaml", "--devices", "cpu", *given, cwd=folder)
    with threads_of(2):
        _, expected = stock_picture(pipe, call | {"prompt": "a cat"}, SEED)
    if what == "image":
        (made,) = (folder / "out").glob("*.png")
        assert np.array_equal(np.asarray(Image.open(made)), expected[0])
    else:
        (made,) = (folder / "out").glob("*.mp4")
        frames = imageio.imread(made, plugin="FFMPEG")
        assert len(frames) == len(expected)
        first = next((folder / "out").glob("*.png"))
        assert np.array_equal(np.asarray(Image.open(first)), expected[0])
    record = json.loads((folder / "out" / "run.json").read_text())
    assert len(record["settings"]["inputs"]) == len(options) // 2


def _options(folder, option, value, *, clip):
    """Writes the files of an argument; lossless, so that their pixels are those of its pictures."""
    if clip and isinstance(value, list):
        file = f"{option.strip('-')}.webp"
        first, *rest = [frame.convert("RGB") for frame in value]
        first.save(folder / file, save_all=True, append_images=rest, lossless=True, duration=125)
        return [option, file]
    words = []
    for number, picture in enumerate(value if isinstance(value, list) else [value]):
        file = f"{option.strip('-')}-{number}.png"
        picture.save(folder / file)
        words += [option, file]
    return words
