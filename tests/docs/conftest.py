"""A reader's machine: tiny random models under the names of real ones, on a hub and on the disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import DiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from tests.docs.pages import ROOT, blocks
from tests.docs.shell import Shell
from tests.doubles import tiny
from tests.hub.conftest import Place, environment_of
from tests.hub.content import Repo
from tests.hub.server import TOKEN, FakeHub, serving

FAMILIES = {"flux": "flux", "wan2-1": "wan"}
"""Presets that pages use, and the tiny pipelines that stand in for their weights."""

REPOSITORIES = {
    "black-forest-labs/FLUX.1-dev": "flux",
    "black-forest-labs/FLUX.1-schnell": "flux",
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": "wan",
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": "wan",
}
GATED = "black-forest-labs/FLUX.1-dev"

CALLS = {
    "demo-image": {"height": 16, "width": 16},
    "demo-video": {"height": 16, "width": 16, "num_frames": 9},
    "flux": {"height": 16, "width": 16, "max_sequence_length": 16},
    "wan2-1": {"height": 16, "width": 16, "num_frames": 9, "max_sequence_length": 16},
}
"""What is smaller in a stand-in's preset than in the shipped one."""

STEPS = {"demo-image": 24, "demo-video": 24, "flux": 12, "wan2-1": 12}
"""Enough for every option that a page shows."""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Repositories of tiny pipelines by family."""
    folder = tmp_path_factory.mktemp("models")
    for family in ("flux", "wan"):
        tiny.BUILDERS[family]().save_pretrained(folder / family)
    _lora(tiny.BUILDERS["flux"](), folder / "lora")
    return {family: folder / family for family in ("flux", "wan", "lora")}


@pytest.fixture(scope="session")
def hub(models: dict[str, Path]) -> Iterator[FakeHub]:
    """A hub with the repositories that pages name."""
    repos = {
        name: Repo.of(models[family], gated=name == GATED) for name, family in REPOSITORIES.items()
    }
    repos["someone/paper"] = Repo.of(models["lora"])
    with serving(repos) as server:
        yield server


@pytest.fixture(scope="session")
def terminal(
    hub: FakeHub, models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Shell]:
    """The terminal of somebody who reads that page and has what it shows."""

    def opened(page: str) -> Shell:
        home = tmp_path_factory.mktemp("reader")
        presets = home / "config" / "chords" / "presets"
        presets.mkdir(parents=True)
        for name in CALLS:
            (presets / f"{name}.yaml").write_text(yaml.safe_dump(_stand_in(name, models)))
        (home / "ink.safetensors").write_bytes(
            (models["lora"] / "pytorch_lora_weights.safetensors").read_bytes()
        )
        for block in blocks(page):
            if block.file:
                (home / block.file).write_text(block.text)
        place = Place(hub, home, environment_of(hub, home) | {"COLUMNS": "80", "HF_TOKEN": TOKEN})
        return Shell(place)

    return opened


def _stand_in(name: str, models: dict[str, Path]) -> dict[str, object]:
    """The shipped preset with a tiny model and a small call."""
    preset = yaml.safe_load((ROOT / "presets" / f"{name}.yaml").read_text())
    family = FAMILIES.get(name)
    if family is None:  # built in: on the disk
        family = "flux" if preset["kind"] == "image" else "wan"
        preset["path"] = str(models[family])
    preset["dtype"] = "float32"
    preset["call"] |= CALLS[name] | {"num_inference_steps": STEPS[name]}
    return preset


def _lora(pipe: DiffusionPipeline, folder: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe.transformer.add_adapter(LoraConfig(r=4, target_modules=["to_q"]))
    layers = get_peft_model_state_dict(pipe.transformer)
    pipe.save_lora_weights(folder, transformer_lora_layers=layers)
