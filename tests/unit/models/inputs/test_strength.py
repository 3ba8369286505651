"""A strength leaves the steps that the pipeline's own method leaves."""

import functools
import inspect
import re
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch

from chords_cli.models.diffusers_source import source_files
from chords_cli.models.inputs.strength import steps_taken, strength_of

STEPS = (2, 3, 7, 10, 28, 50)
STRENGTHS = (0.01, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.9999, 1.0)


@functools.cache
def with_a_strength() -> list[str]:
    """Every pipeline of diffusers that asks its own `get_timesteps`."""
    texts = (file.read_text() for file in source_files("pipelines"))
    asking = (text for text in texts if "self.get_timesteps(" in text)
    names = {
        n for text in asking for n in re.findall(r"^class (\w+Pipeline)\(", text, re.MULTILINE)
    }
    listed = set(dir(diffusers))  # nothing is imported for it
    return sorted(name for name in names & listed if strength_of(name))


def left_by(cls: type, steps: int, strength: float) -> int:
    """How many timesteps the method of the imported class leaves."""
    scheduler = SimpleNamespace(
        timesteps=torch.linspace(999, 0, steps), order=1, set_begin_index=lambda index: None
    )
    given: dict[str, Any] = {
        "num_inference_steps": steps,
        "timesteps": scheduler.timesteps,
        "sigmas": torch.linspace(1, 0, steps + 1),
        "strength": strength,
        "device": "cpu",
    }
    wanted = list(inspect.signature(cls.get_timesteps).parameters)[1:]  # type: ignore[attr-defined]
    arguments = {name: given[name] for name in wanted if name in given}
    made = cls.get_timesteps(SimpleNamespace(scheduler=scheduler), **arguments)  # type: ignore[attr-defined]
    return len(made[-2])


def test_many_pipelines_have_a_strength() -> None:
    assert {"FluxImg2ImgPipeline", "WanVideoToVideoPipeline"} <= set(with_a_strength())
    assert len(with_a_strength()) > 40


def test_as_many_steps_are_left_as_the_pipeline_leaves() -> None:
    for name in with_a_strength():
        found, cls = strength_of(name), getattr(diffusers, name)
        assert found is not None
        for steps in STEPS:
            for strength in STRENGTHS:
                assert found.steps_taken(steps, strength) == left_by(cls, steps, strength), name


@pytest.mark.parametrize(
    ("pipeline", "argument", "default"),
    [
        ("FluxImg2ImgPipeline", "strength", 0.6),
        ("StableDiffusionXLInpaintPipeline", "strength", 0.9999),
        ("WanVideoToVideoPipeline", "strength", 0.8),
        ("LTXConditionPipeline", "denoise_strength", 1.0),
    ],
)
def test_the_call_names_its_strength(pipeline: str, argument: str, default: float) -> None:
    found = strength_of(pipeline)
    assert found is not None
    assert (found.argument, found.default) == (argument, default)


@pytest.mark.parametrize(
    "pipeline", ["FluxPipeline", "FluxKontextPipeline", "CogVideoXImageToVideoPipeline"]
)
def test_pipelines_that_never_ask_have_none(pipeline: str) -> None:
    assert strength_of(pipeline) is None
    assert steps_taken(pipeline, {"num_inference_steps": 10, "strength": 0.5}) == 10


def test_two_rules_are_in_use() -> None:
    call = {"num_inference_steps": 10, "strength": 0.75}
    assert steps_taken("FluxImg2ImgPipeline", call) == 8
    assert steps_taken("StableDiffusionXLImg2ImgPipeline", call) == 7
