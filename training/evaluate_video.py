"""Measure a demo video model: `python -m training.evaluate_video presets/demo-video`.

Sampling is stock diffusers, sequential, with the preset's settings.
"""

import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, WanPipeline
from torch import Tensor

from training.clips import Clip, plain_sentence, sample_clip
from training.judge_clips import judge_clip
from training.pictures import save_grid
from training.scoring import GROUPS, Report, parse, shares, table
from training.video_autoencoder import held_out_psnr
from training.video_sampling import GUIDANCE, VideoCall


def main() -> None:
    call = VideoCall()
    options = parse(__doc__, count=100, steps=call.num_inference_steps, guidance=GUIDANCE)
    started = time.monotonic()
    pipe = load(options.model)
    call = VideoCall(num_inference_steps=options.steps, guidance_scale=options.guidance)
    wanted = held_out(options.count)
    made = sample(pipe, wanted, call)
    report: Report = scores(made, wanted) | {
        "psnr": held_out_psnr(pipe.vae),
        "call": asdict(call),
        "seconds": round(time.monotonic() - started, 1),
    }
    sys.stdout.write(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.grid:
        save_grid(made.flatten(0, 1), options.grid, columns=made.shape[1])


def load(folder: Path) -> WanPipeline:
    """The model as any diffusers user loads it."""
    pipe = DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def held_out(count: int, seed: int = 2024) -> list[Clip]:
    """Unseen clips, one in four of them with two objects."""
    rng = random.Random(seed)
    return [sample_clip(rng, held_out=True, pairs=float(index % 4 == 3)) for index in range(count)]


def sample(pipe: WanPipeline, clips: list[Clip], call: VideoCall, *, batch: int = 10) -> Tensor:
    """A clip for each sentence, seeds 0, 1, 2, ..., shape (B, F, 3, H, W)."""
    prompts = [plain_sentence(clip) for clip in clips]
    seeds = list(range(len(prompts)))
    parts = [slice(start, start + batch) for start in range(0, len(prompts), batch)]
    return torch.cat([call(pipe, prompts[part], seeds[part]).float().cpu() for part in parts])


def scores(made: Tensor, wanted: list[Clip]) -> Report:
    """The part of the clips in which each thing is right, by the number of their objects."""
    verdicts = [judge_clip(frames, clip) for frames, clip in zip(made, wanted, strict=True)]
    report: Report = {"all": shares(verdicts)}
    for count, group in enumerate(GROUPS, 1):
        chosen = [v for v, clip in zip(verdicts, wanted, strict=True) if len(clip.actors) == count]
        report[group] = shares(chosen)
    return report


if __name__ == "__main__":
    main()
