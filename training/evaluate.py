"""Measure a demo model on held-out sentences: `python -m training.evaluate presets/demo-image`.

Sampling is stock diffusers, sequential, with the preset's settings.
"""

import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, FluxPipeline
from torch import Tensor

from training.autoencoder import held_out_images, psnr, reconstruct
from training.judge import judge
from training.pictures import save_grid
from training.sampling import GUIDANCE, Call
from training.scenes import Scene, plain_sentence, sample_scene
from training.scoring import Report, Scores, parse, shares, table


def main() -> None:
    options = parse(__doc__, count=200, steps=Call().num_inference_steps, guidance=GUIDANCE)
    started = time.monotonic()
    pipe = load(options.model)
    singles, pairs = held_out_scenes(options.count)
    call = Call(num_inference_steps=options.steps, true_cfg_scale=options.guidance)
    images = sample(pipe, singles + pairs, call)
    report: Report = {
        "one object": scores(images[: len(singles)], singles),
        "two objects": scores(images[len(singles) :], pairs),
        "psnr": autoencoder_psnr(pipe),
        "call": asdict(call),
        "seconds": round(time.monotonic() - started, 1),
    }
    sys.stdout.write(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.grid:
        save_grid(images[: len(images) // 10 * 10], options.grid, columns=10)


def load(folder: Path) -> FluxPipeline:
    """The model as any diffusers user loads it."""
    pipe = DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def held_out_scenes(count: int, seed: int = 2024) -> tuple[list[Scene], list[Scene]]:
    """Unseen scenes of one object (six in ten) and of two differently coloured ones."""
    rng = random.Random(seed)
    singles = [sample_scene(rng, held_out=True, pairs=0.0) for _ in range(count * 6 // 10)]
    pairs: list[Scene] = []
    while len(pairs) < count - len(singles):
        scene = sample_scene(rng, held_out=True, pairs=1.0)
        if scene.blobs[0].colour != scene.blobs[1].colour:
            pairs.append(scene)
    return singles, pairs


def sample(pipe: FluxPipeline, scenes: list[Scene], call: Call, *, batch: int = 20) -> Tensor:
    """One picture for each scene's sentence, seeds 0, 1, 2, ..."""
    prompts = [plain_sentence(scene) for scene in scenes]
    seeds = list(range(len(prompts)))
    parts = [slice(start, start + batch) for start in range(0, len(prompts), batch)]
    return torch.cat([call(pipe, prompts[part], seeds[part]).float().cpu() for part in parts])


def scores(images: Tensor, scenes: list[Scene]) -> Scores:
    """The part of the pictures in which each thing is right, 0 to 1."""
    return shares([judge(image, scene) for image, scene in zip(images, scenes, strict=True)])


def autoencoder_psnr(pipe: FluxPipeline, count: int = 100) -> float:
    """Mean reconstruction PSNR in dB over held-out pictures."""
    images = held_out_images(count)
    copies = [reconstruct(pipe.vae, part.to(pipe.vae.device)).cpu() for part in images.split(20)]
    return round(psnr(images, torch.cat(copies)), 2)


if __name__ == "__main__":
    main()
