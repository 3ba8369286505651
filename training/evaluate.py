"""Measure a demo model on held-out sentences: `python -m training.evaluate presets/demo-image`.

Sampling is stock diffusers, sequential, with the preset's settings.
"""

import argparse
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, FluxPipeline
from torch import Tensor

from training.autoencoder import held_out_images, psnr, reconstruct
from training.judge import Verdict, judge
from training.pictures import save_grid
from training.sampling import Call
from training.scenes import Scene, plain_sentence, sample_scene

Scores = dict[str, float]
Report = dict[str, Any]


def main() -> None:
    options = _parse()
    if options.threads:
        torch.set_num_threads(options.threads)
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
    sys.stdout.write(_table(report))
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
    verdicts = [judge(image, scene) for image, scene in zip(images, scenes, strict=True)]
    return {
        name: _share([getattr(verdict, name) for verdict in verdicts])
        for name in Verdict.__dataclass_fields__
    }


def autoencoder_psnr(pipe: FluxPipeline, count: int = 100) -> float:
    """Mean reconstruction PSNR in dB over held-out pictures."""
    images = held_out_images(count)
    copies = [reconstruct(pipe.vae, part.to(pipe.vae.device)).cpu() for part in images.split(20)]
    return round(psnr(images, torch.cat(copies)), 2)


def _share(answers: list[bool | None]) -> float:
    known = [answer for answer in answers if answer is not None]
    return round(sum(known) / max(len(known), 1), 4)


def _table(report: Report) -> str:
    names = list(Verdict.__dataclass_fields__)
    lines = [f"{'right in %':14s}" + "".join(f"{name:>12s}" for name in names)]
    for group in ("one object", "two objects"):
        shares = [100 * report[group][name] for name in names]
        lines.append(f"{group:14s}" + "".join(f"{share:12.1f}" for share in shares))
    lines.append(f"autoencoder {report['psnr']:.1f} dB, {report['seconds']:.0f} s in all\n")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a diffusers folder")
    parser.add_argument("--count", type=int, default=200, help="sentences")
    parser.add_argument("--steps", type=int, default=Call().num_inference_steps)
    parser.add_argument("--guidance", type=float, default=Call().true_cfg_scale)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--grid", type=Path, help="write the pictures here, as one PNG")
    return parser.parse_args()


if __name__ == "__main__":
    main()
