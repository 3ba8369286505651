"""The built-in models of the study: held-out prompts, and what can be read off their samples.

A new built-in model is one more entry of `ENTRIES`.
"""

import hashlib
import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.presets.call import with_guidance
from chords_cli.presets.files import find_preset
from chords_cli.presets.schema import Preset

Drawn = Callable[[int], list[tuple[str, Any]]]
"""So many held-out prompts, each with the scene that it describes; the same ones every time."""

Reading = Callable[[np.ndarray, Any], Hashable]
"""What a sample shows of its scene. Its frames are uint8, [frames, height, width, 3]."""


@dataclass(frozen=True)
class Entry:
    """What the study knows of a built-in model beside its preset."""

    draw: Drawn
    read: Reading | None = None


@dataclass(frozen=True)
class Asked:
    """A prompt with its scene and the seed of its noise."""

    prompt: str
    scene: Any
    seed: int


def load(name: str, *, first_order: bool, device: str) -> tuple[Preset, DiffusionPipeline]:
    """A built-in model as its preset says it, or with its scheduler made first-order."""
    preset = find_preset(name)
    assert preset.path is not None, f"{name} is no built-in model"
    scheduler = preset.scheduler.model_dump(by_alias=True) if preset.scheduler else None
    if first_order:
        scheduler = (scheduler or {}) | {"first_order": True}
    spec = ModelSpec(
        folder=str(preset.path),
        pipeline=preset.pipeline,
        dtype=preset.dtype,
        scheduler=scheduler,
    )
    pipe = load_pipeline(spec, device=torch.device(device), encodes=True, decodes=True)
    return preset, pipe


def fingerprint(names: Sequence[str]) -> str:
    """Tells the code of sampler, pipelines and study, and the models' files, from all others."""
    import chords_cli

    package = Path(chords_cli.__file__).parent
    code = [package / "sampler", package / "pipelines", Path(__file__).parent]
    files = [file for folder in code for file in folder.rglob("*.py")]
    for name in names:
        folder = find_preset(name).path
        assert folder is not None, f"{name} is no built-in model"
        files += [file for file in folder.rglob("*") if file.is_file()]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def asked(name: str, count: int, seed: int) -> list[Asked]:
    drawn = ENTRIES[name].draw(count)
    return [Asked(prompt, scene, seed + n) for n, (prompt, scene) in enumerate(drawn)]


def call(preset: Preset, prompts: list[str], guidance: float) -> dict[str, Any]:
    """The pipeline's arguments for several prompts at a guidance."""
    negative = [str(preset.call.get("negative_prompt") or "")] * len(prompts)
    guided = with_guidance(preset.call, guidance)
    return guided | {"prompt": prompts, "negative_prompt": negative}


def _pictures(count: int) -> list[tuple[str, Any]]:
    from training.scenes import plain_sentence, sample_scene

    rng = random.Random(2025)
    scenes = [sample_scene(rng, held_out=True) for _ in range(count)]
    return [(plain_sentence(scene), scene) for scene in scenes]


def _clips(count: int) -> list[tuple[str, Any]]:
    from training.clips import plain_sentence, sample_clip

    rng = random.Random(2025)
    clips = [sample_clip(rng, held_out=True) for _ in range(count)]
    return [(plain_sentence(clip), clip) for clip in clips]


def _verdict(frames: np.ndarray, scene: Any) -> Hashable:
    """Which of background, colours, shapes and places are as the prompt says."""
    from training.judge import judge

    return judge(torch.from_numpy(frames[0]).permute(2, 0, 1) / 127.5 - 1.0, scene)


ENTRIES = {
    "demo-image": Entry(_pictures, _verdict),
    "demo-video": Entry(_clips),
}
