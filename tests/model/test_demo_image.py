"""The built-in image model as it is shipped: small, loaded as any other, doing as it is told."""

import random
from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline

from training.evaluate import autoencoder_psnr, held_out_scenes, load, sample, scores
from training.export import folder_size
from training.judge import judge, nearest_colours
from training.sampling import Call
from training.scenes import Scene, draw, plain_sentence, sample_scene
from training.shapes import COLOURS, SHAPES, Blob

PRESET = Path(__file__).parents[2] / "presets" / "demo-image"
FAST = Call(num_inference_steps=25)


@pytest.fixture(scope="module")
def pipe() -> FluxPipeline:
    return load(PRESET)


def test_demo_image_is_at_most_8_mb() -> None:
    assert folder_size(PRESET) <= 8_000_000


def test_demo_image_holds_no_code_and_no_pickles() -> None:
    allowed = {".json", ".safetensors", ".md", ".png"}
    assert {path.suffix for path in PRESET.rglob("*") if path.is_file()} <= allowed


def test_demo_image_loads_as_a_flux_pipeline_in_one_dtype(pipe: FluxPipeline) -> None:
    assert type(pipe) is FluxPipeline
    parts = (pipe.transformer, pipe.vae, pipe.text_encoder, pipe.text_encoder_2)
    assert {part.dtype for part in parts} == {torch.float32}


def test_demo_image_has_a_shifted_grid(pipe: FluxPipeline) -> None:
    FAST(pipe, ["a red circle"], [0])
    middle = pipe.scheduler.sigmas[FAST.num_inference_steps // 2]
    assert middle > 0.7


@pytest.mark.slow
def test_demo_image_draws_held_out_scenes(pipe: FluxPipeline) -> None:
    singles, pairs = held_out_scenes(24)
    images = sample(pipe, singles + pairs, FAST)
    one, two = scores(images[: len(singles)], singles), scores(images[len(singles) :], pairs)
    assert one["background"] >= 0.9
    assert one["colours"] >= 0.9
    assert one["shapes"] >= 0.9
    assert two["colours"] >= 0.9
    assert two["shapes"] >= 0.85
    assert two["places"] >= 0.9


def test_demo_image_is_deterministic_for_a_seed(pipe: FluxPipeline) -> None:
    call = Call(num_inference_steps=4)
    first, second = (call(pipe, ["a pink heart on a white background"], [3]) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.slow
def test_autoencoder_reconstructs_held_out_scenes(pipe: FluxPipeline) -> None:
    assert autoencoder_psnr(pipe, 20) >= 45.0


@pytest.mark.parametrize(
    "prompt",
    [
        "a photorealistic large red circle, masterpiece, on a blue background",
        "A LARGE RED CIRCLE on the blue background!!!",
        "ünïcode 漢字 a large red circle on a blue background 🙂",
    ],
)
def test_unknown_words_are_ignored(pipe: FluxPipeline, prompt: str) -> None:
    names = list(COLOURS)
    seen = torch.bincount(nearest_colours(FAST(pipe, [prompt], [1])[0]).flatten(), minlength=10)
    assert {names[index] for index in seen.topk(2).indices.tolist()} == {"red", "blue"}


def test_an_empty_and_an_overlong_prompt_still_draw(pipe: FluxPipeline) -> None:
    images = Call(num_inference_steps=4)(pipe, ["", "a very " * 60 + "red circle"], [0, 0])
    assert torch.isfinite(images).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_judge_recognises_every_shape_it_can_paint(shape: str) -> None:
    scene = Scene("blue", (Blob(shape, "yellow", (0.1, -0.2), 0.3),), (None,))
    verdict = judge(draw([scene])[0], scene)
    assert verdict.background
    assert verdict.colours
    assert verdict.shapes


def test_judge_rejects_a_picture_of_something_else() -> None:
    asked = Scene("blue", (Blob("star", "yellow", (0.0, 0.0), 0.4),), (None,))
    shown = Scene("red", (Blob("ring", "white", (0.0, 0.0), 0.4),), (None,))
    verdict = judge(draw([shown])[0], asked)
    assert not verdict.background
    assert not verdict.colours
    assert not verdict.shapes


def test_held_out_scenes_never_come_up_in_training() -> None:
    singles, pairs = held_out_scenes(50)
    unseen = {scene.key() for scene in singles + pairs}
    rng = random.Random(0)
    assert not unseen & {sample_scene(rng).key() for _ in range(5000)}
    assert all(plain_sentence(scene).endswith("background") for scene in singles)
