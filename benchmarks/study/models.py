"""The built-in models of the study, the prompts that they are asked for, and a fingerprint.

A new built-in model is one more entry of `PROMPTS_OF`.
"""

import ast
import hashlib
import random
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline

from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.presets.call import with_guidance
from chords_cli.presets.files import find_preset
from chords_cli.presets.schema import Preset
from chords_cli.sampler import wavefront_plan

EARLIER, EARLIER_PROMPTS = 2025, 1000
"""What earlier studies and all tuning drew prompts with; so many of them are left out."""

DRAWS = {"study": ("rounds, held out", 600_000), "tuning": ("rounds", 500_000)}
"""What prompts are drawn with, and the seed of the first one's noise. Nothing was tuned on those of
the study, and nothing may be: the others are for that. None is in both."""

ELSEWHERE = ("choice.py", "rounds.py", "stop.py")
"""Files of the sampler that decide which arms there are, but no arm's numbers."""

_READ = (".json", ".safetensors")
"""Endings of the files of a model that are read: not its card and its pictures."""


class Asked(NamedTuple):
    """A prompt and the seed of its noise."""

    prompt: str
    seed: int


def asked(name: str, count: int, draw: str = "study") -> list[Asked]:
    """The first `count` prompts of a draw, the same ones every time, none twice."""
    elsewhere = [EARLIER, *(DRAWS["study"][:1] if draw == "tuning" else ())]
    left_out = {
        prompt
        for seed in elsewhere
        for prompt in islice(PROMPTS_OF[name](random.Random(seed)), EARLIER_PROMPTS)
    }
    seed, first = DRAWS[draw]
    found: dict[str, Asked] = {}
    for prompt in PROMPTS_OF[name](random.Random(seed)):
        if len(found) == count:
            break
        if prompt not in left_out:
            found.setdefault(prompt, Asked(prompt, first + len(found)))
    return list(found.values())


@cache
def load(name: str) -> tuple[Preset, DiffusionPipeline]:
    """A built-in model as its preset says it."""
    preset = find_preset(name)
    assert preset.path is not None, f"{name} is no built-in model"
    spec = ModelSpec(
        folder=str(preset.path),
        pipeline=preset.pipeline,
        dtype=preset.dtype,
        scheduler=preset.scheduler.model_dump(by_alias=True) if preset.scheduler else None,
    )
    return preset, load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=False)


def call(preset: Preset, prompts: list[str], steps: int, guidance: float) -> dict[str, Any]:
    """The pipeline's arguments for several prompts at a guidance."""
    negative = [str(preset.call.get("negative_prompt") or "")] * len(prompts)
    guided = with_guidance(preset.call, guidance)
    return guided | {
        "prompt": prompts,
        "negative_prompt": negative,
        "num_inference_steps": steps,
    }


def fingerprint(name: str, draw: str) -> str:
    """Tells what decides the numbers of a model from all else: code, prompts, the model's files.

    Comments and docstrings do not count, nor what only shows numbers, nor a model's card.
    """
    import chords_cli

    package, here = Path(chords_cli.__file__).parent, Path(__file__).parent
    code = [file for file in (package / "sampler").glob("*.py") if file.name not in ELSEWHERE]
    code += [*(package / "pipelines").glob("*.py"), here / "problem.py", here / "arms.py"]
    folder = find_preset(name).path
    assert folder is not None, f"{name} is no built-in model"
    meshes = [wavefront_plan(28, 1, 9, guidance).walks for guidance in (1.0, 4.0, 8.0)]
    digest = hashlib.sha256(repr((meshes, draw)).encode())
    for file in sorted(code):
        digest.update(file.name.encode() + bare(file.read_text()).encode())
    for file in sorted(file for file in folder.rglob("*") if file.suffix in _READ):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def bare(text: str) -> str:
    """Code without comments and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            kept = getattr(node, name, None)
            if isinstance(kept, list):
                setattr(node, name, [one for one in kept if not _told(one)])
    return ast.dump(tree)


def _told(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _pictures(rng: random.Random) -> Iterator[str]:
    from training.scenes import plain_sentence, sample_scene

    while True:
        yield plain_sentence(sample_scene(rng, held_out=True))


def _clips(rng: random.Random) -> Iterator[str]:
    from training.clips import plain_sentence, sample_clip

    while True:
        yield plain_sentence(sample_clip(rng, held_out=True))


PROMPTS_OF: dict[str, Callable[[random.Random], Iterator[str]]] = {
    "demo-image": _pictures,
    "demo-video": _clips,
}
