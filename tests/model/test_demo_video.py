"""The built-in video model as it is shipped: small, loaded as any other, doing as it is told."""

import random
from pathlib import Path

import pytest
import torch
from diffusers import UniPCMultistepScheduler, WanPipeline

from training.clips import MOTIONS, Actor, Clip, draw, plain_sentence, sample_clip
from training.evaluate_video import held_out, load, sample, scores
from training.export import folder_size
from training.judge_clips import judge_clip
from training.shapes import Blob
from training.video_autoencoder import held_out_psnr
from training.video_sampling import VideoCall

PRESET = Path(__file__).parents[2] / "presets" / "demo-video"
FAST = VideoCall(num_inference_steps=20)


@pytest.fixture(scope="module")
def pipe() -> WanPipeline:
    return load(PRESET)


def test_demo_video_is_at_most_8_mb_without_code_or_pickles() -> None:
    assert folder_size(PRESET) <= 8_000_000
    allowed = {".json", ".safetensors", ".md", ".png"}
    assert {path.suffix for path in PRESET.rglob("*") if path.is_file()} <= allowed


def test_demo_video_loads_as_a_wan_pipeline_in_one_dtype(pipe: WanPipeline) -> None:
    assert type(pipe) is WanPipeline
    assert type(pipe.scheduler) is UniPCMultistepScheduler
    parts = (pipe.transformer, pipe.vae, pipe.text_encoder)
    assert {part.dtype for part in parts} == {torch.float32}


@pytest.mark.slow
def test_demo_video_shows_held_out_sentences_of_one_and_two_objects(pipe: WanPipeline) -> None:
    wanted = held_out(16)
    report = scores(sample(pipe, wanted, FAST), wanted)
    for right in (report["one object"], report["two objects"]):
        assert right["background"] >= 0.9
        assert right["colours"] >= 0.8
        assert right["motions"] >= 0.8


def test_demo_video_is_deterministic_for_a_seed(pipe: WanPipeline) -> None:
    call = VideoCall(num_inference_steps=3)
    first, second = (call(pipe, ["a pink heart growing on a white background"], [3]) for _ in "ab")
    assert torch.equal(first, second)


def test_demo_video_takes_empty_and_overlong_prompts(pipe: WanPipeline) -> None:
    clips = VideoCall(num_inference_steps=2)(pipe, ["", "a very " * 60 + "red circle"], [0, 0])
    assert torch.isfinite(clips).all()


@pytest.mark.slow
def test_demo_video_autoencoder_reconstructs_held_out_clips(pipe: WanPipeline) -> None:
    assert held_out_psnr(pipe.vae, 8) >= 30.0


@pytest.mark.parametrize("motion", MOTIONS)
def test_judge_recognises_every_motion_it_can_paint(motion: str) -> None:
    clip = Clip("blue", (Actor(Blob("heart", "yellow", (0.0, 0.0), 0.32), motion),))
    verdict = judge_clip(_painted(clip), clip)
    assert verdict.background
    assert verdict.colours
    assert verdict.motions
    assert verdict.shapes


def test_judge_rejects_a_clip_of_something_else() -> None:
    asked = Clip("blue", (Actor(Blob("star", "yellow", (0.0, 0.0), 0.35), "left"),))
    shown = Clip("red", (Actor(Blob("ring", "yellow", (0.0, 0.0), 0.35), "right"),))
    verdict = judge_clip(_painted(shown), asked)
    assert not verdict.background
    assert verdict.colours
    assert not verdict.motions
    assert not verdict.shapes


def test_judge_rejects_a_clip_that_stands_where_it_should_move() -> None:
    moving = Clip("blue", (Actor(Blob("heart", "yellow", (0.0, 0.0), 0.32), "up"),))
    frozen = _painted(moving)[8:9].expand(17, -1, -1, -1)
    assert not judge_clip(frozen, moving).motions


def test_held_out_clips_never_come_up_in_training() -> None:
    unseen = {clip.key() for clip in held_out(50)}
    rng = random.Random(0)
    assert not unseen & {sample_clip(rng).key() for _ in range(3000)}
    assert all(plain_sentence(clip).endswith("background") for clip in held_out(50))


def _painted(clip: Clip) -> torch.Tensor:
    return draw([clip])[0].transpose(0, 1)
