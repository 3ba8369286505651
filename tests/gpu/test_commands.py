"""Commands as a user types them, on the device."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.gpu.conftest import DEVICES
from tests.gpu.models import SEED, STEPS, Models, call, stock_bits

PROMPT = "a red circle on a blue background"
CIRCLE = f"0001-a-red-circle-on-a-blue-background-s{SEED}"
BUILT_IN = ("--steps", STEPS, "--seed", SEED)
CORES = 4

Chords = Callable[..., str]


def record(folder: Path, name: str = "run.json") -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def latent(path: Path) -> torch.Tensor:
    return load_file(path)["latent"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def all_cores(chords: Chords, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a picture with every core's output."""
    folder = tmp_path_factory.mktemp("all")
    kept = ("--cores", CORES, "--all-cores", "--save-latents")
    chords("image", PROMPT, *BUILT_IN, *kept, "--output", folder)
    return folder


def test_all_cores_keeps_every_output_and_the_last_has_the_bits_of_stock(
    all_cores: Path, models: Models
) -> None:
    made = record(all_cores)
    outputs = made["prompts"][0]["outputs"]
    assert made["devices"] == [DEVICES[core % len(DEVICES)] for core in range(CORES)]
    assert [output["index"] for output in outputs] == list(range(CORES + 1))
    assert all(pixels(all_cores / output["path"]).std() > 1 for output in outputs)
    called = call("demo-image") | {"prompt": PROMPT}
    stock = stock_bits(models.stock(models.spec("demo-image")), called, CORES)
    assert torch.equal(latent(all_cores / outputs[-1]["latent"]), stock)


def test_cores_are_forked_unless_an_installed_package_uses_the_device(all_cores: Path) -> None:
    """Importing torchao does, which diffusers does wherever it is installed."""
    start = record(all_cores)["start_method"]
    if "cpu" not in DEVICES and importlib.util.find_spec("torchao"):
        assert start == {
            "method": "spawn",
            "reason": "something that was imported had used cuda before the fork",
        }
    else:
        assert start == {"method": "fork", "reason": None}


def test_a_picture_is_made_again_from_its_metadata(
    all_cores: Path, chords: Chords, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    chords("image", "--from-metadata", all_cores / f"{CIRCLE}.png", "--output", again)
    assert np.array_equal(pixels(again / f"{CIRCLE}.png"), pixels(all_cores / f"{CIRCLE}.png"))


def test_compare_finds_core_zero_exact_and_every_repetition_the_same(
    chords: Chords, tmp_path: Path
) -> None:
    arms = ("sequential", "chords stop_index=2", "wavefront")
    words = [word for arm in arms for word in ("--arm", arm)]
    options = ("--cores", 2, "--repeat", 2, "--output", tmp_path / "compared")
    chords("compare", PROMPT, *BUILT_IN, *words, *options)
    made = record(tmp_path / "compared", "compare.json")
    results = {result["arm"]: result for result in made["takes"][0]["results"]}
    assert all(result["same_bits"] for result in results.values())
    assert results["chords stop_index=2"]["quality"]["same_latent"]
    assert results["chords stop_index=2"]["quality"]["same_pixels"]
    told = {peak["device_bytes"] for arm in made["arms"] for peak in arm["peak_memory"]}
    assert told == {None} if "cpu" in DEVICES else min(told) > 0


def test_video_makes_a_clip_that_can_be_read(chords: Chords, tmp_path: Path) -> None:
    encoder = pytest.importorskip(
        "imageio_ffmpeg", reason="imageio-ffmpeg is not installed: pip install imageio-ffmpeg"
    )
    try:
        encoder.get_ffmpeg_exe()
    except RuntimeError as error:
        pytest.skip(f"no ffmpeg to write videos with: {error}")
    import imageio.v3 as iio

    chords("video", PROMPT, *BUILT_IN, "--cores", 2, "--output", tmp_path / "clip")
    clip = iio.imread(tmp_path / "clip" / f"{CIRCLE}.mp4")
    assert clip.shape == (call("demo-video")["num_frames"], 64, 64, 3)
    assert clip.std() > 1


def test_spawned_cores_give_the_bits_of_stock_and_are_recorded(
    chords: Chords, models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHORDS_START", "spawn")
    kept = ("--cores", 2, "--all-cores", "--save-latents", "--output", tmp_path)
    chords("image", "a cat", "--model", models.preset("flux"), *kept)
    made = record(tmp_path)
    exact = made["prompts"][0]["outputs"][-1]
    stock = stock_bits(models.stock(models.spec("flux")), call("flux") | {"prompt": "a cat"}, 2)
    assert torch.equal(latent(tmp_path / exact["latent"]), stock)
    assert made["start_method"]["method"] == "spawn"
