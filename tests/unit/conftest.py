"""A preset and a model without weights on disk, and a short way to resolve settings from them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chords_cli.cli.options import as_option
from chords_cli.engine.messages import Latent
from chords_cli.errors import UsageError
from chords_cli.media.latents import latent_bytes
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.settings import Settings

PRESET = """
name: toy
title: Toy
kind: image
path: weights
pipeline: FluxPipeline
dtype: float32
license: {name: MIT}
call: {height: 64, width: 96, num_inference_steps: 50, guidance_scale: 3.5, negative_prompt: ""}
limits: {size_multiple: 16}
sampling: {cores: 4}
prompts: [a cat, a dog]
"""

INDEX = {
    "_class_name": "FluxPipeline",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "image_encoder": [None, None],
}

STEMS = {
    "text_encoder": "model",
    "text_encoder_2": "model",
    "transformer": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}
"""What the files of weights are called, by component."""

Resolve = Callable[..., Settings]

GPUS = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many devices as the preset has cores."""
    monkeypatch.setattr("chords_cli.engine.devices.available_devices", lambda: GPUS)


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Has a package torchvision found, which some pipelines need."""
    (tmp_path / "torchvision").mkdir()
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder of a model, as far as it is read before anything of it is loaded.

    Every component that has weights holds one tensor of 10 numbers.
    """
    folder = tmp_path / "weights"
    tensor = latent_bytes(Latent("float32", (2, 5), b"\0" * 40), {"format": "pt"})
    for name, stem in STEMS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / f"{stem}.safetensors").write_bytes(tensor)
        (folder / name / "config.json").write_text("{}")
    for name in ("tokenizer", "tokenizer_2"):
        (folder / name).mkdir()
        (folder / name / "tokenizer_config.json").write_text("{}")
        (folder / name / "tokenizer.json").write_text("{}")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    return folder


@pytest.fixture
def preset_file(tmp_path: Path, model: Path) -> Path:
    """A preset whose `path` is the model's."""
    file = tmp_path / "toy.yaml"
    file.write_text(PRESET)
    return file


@pytest.fixture
def lora(tmp_path: Path) -> str:
    """A file that is named as a LoRA is, and holds a tensor."""
    data = latent_bytes(Latent("float32", (1,), b"\0" * 4), {})
    (tmp_path / "ink.safetensors").write_bytes(data)
    return str(tmp_path / "ink.safetensors")


@pytest.fixture
def resolved(four_gpus: None, preset_file: Path, tmp_path: Path) -> Resolve:
    """The settings of a request that says these options."""

    def resolve_options(**options: Any) -> Settings:
        said = {"model": str(preset_file), "output": tmp_path / "out"} | options
        return resolve(Request(kind="image", **said))

    return resolve_options


@pytest.fixture
def refused(resolved: Resolve) -> Callable[..., tuple[str, str]]:
    """The message and the hint with which these options are refused, as they are shown."""

    def refuse(**options: Any) -> tuple[str, str]:
        with pytest.raises(UsageError) as caught:
            resolved(**options)
        return caught.value.spelled(as_option)

    return refuse
