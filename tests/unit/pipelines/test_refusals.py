"""What cannot be shared by cores is refused in exact words, before a weight is read."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, SchedulerMixin

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.core_pipeline import CorePipeline
from chords_cli.pipelines.load.loading import load_pipeline, pipeline_class
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.pipelines.rules import check_step_arguments, check_true_guidance
from chords_cli.pipelines.said import Said
from chords_cli.pipelines.solver import check_scheduler
from tests.doubles import zoo
from tests.doubles.problems import StockDriver


def repository(folder: Path, scheduler: SchedulerMixin | None = None) -> Path:
    """A repository without weights: only what is read before them."""
    own = scheduler or FlowMatchEulerDiscreteScheduler()
    own.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "FluxPipeline",
        "scheduler": ["diffusers", type(own).__name__],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def load(folder: Path, pipeline: str = "FluxPipeline", **scheduler: Any) -> None:
    spec = ModelSpec(
        folder=str(folder), pipeline=pipeline, dtype="float32", scheduler=scheduler or None
    )
    load_pipeline(spec, device=torch.device("cpu"), encodes=True, decodes=True)


NOISY = "its steps draw noise or keep a history that does not survive a jump"
TWICE = "it calls the model 2 times a step"


@pytest.mark.parametrize(
    ("name", "reason", "instead"),
    [
        ("CogVideoXDPMScheduler", NOISY, "CogVideoXDDIMScheduler"),
        ("DDPMScheduler", NOISY, "DDIMScheduler"),
        ("EulerAncestralDiscreteScheduler", NOISY, "EulerDiscreteScheduler"),
        ("LCMScheduler", NOISY, "EulerDiscreteScheduler"),
        ("PNDMScheduler", NOISY, "EulerDiscreteScheduler"),
        ("FlowMatchLCMScheduler", NOISY, "FlowMatchEulerDiscreteScheduler"),
        ("FlowMatchHeunDiscreteScheduler", TWICE, "FlowMatchEulerDiscreteScheduler"),
        ("HeunDiscreteScheduler", TWICE, "EulerDiscreteScheduler"),
    ],
)
def test_scheduler_of_a_preset_that_cores_cannot_share_is_refused(
    name: str, reason: str, instead: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        load(repository(tmp_path), **{"class": name, "from_config": False})
    assert str(refused.value) == f"{name} cannot be shared by cores: {reason}"
    assert refused.value.hint == (
        f"set `scheduler: {{class: {instead}, from_config: true}}` in the preset, without noise"
    )


@pytest.mark.parametrize(
    ("name", "settings", "setting"),
    [
        (
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++"},
            "algorithm_type sde-dpmsolver++",
        ),
        ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}, "stochastic_sampling"),
    ],
)
def test_setting_that_makes_a_scheduler_draw_noise_is_refused(
    name: str, settings: dict[str, Any], setting: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        load(repository(tmp_path), **{"class": name, "from_config": False, "args": settings})
    assert str(refused.value) == (
        f"{name} cannot be shared by cores: {setting} draws fresh noise in every step"
    )


def test_scheduler_of_a_repository_is_refused_like_one_of_a_preset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="DDPMScheduler cannot be shared by cores"):
        load(repository(tmp_path, diffusers.DDPMScheduler()))


def test_every_deterministic_scheduler_of_one_step_is_accepted() -> None:
    for name in ("FlowMatchEulerDiscrete", "EulerDiscrete", "DDIM", "CogVideoXDDIM"):
        check_scheduler(getattr(diffusers, f"{name}Scheduler")())
    for name in ("UniPC", "DPMSolver", "DEIS"):
        check_scheduler(getattr(diffusers, f"{name}MultistepScheduler")())


@pytest.mark.parametrize("name", ["eta", "s_churn"])
def test_step_that_would_draw_noise_is_refused(name: str) -> None:
    check_step_arguments({name: 0.0, "generator": None})
    with pytest.raises(UsageError) as refused:
        check_step_arguments({name: 0.5})
    assert str(refused.value) == f"{name} is 0.5, which draws fresh noise in every step"
    assert refused.value.hint == f"remove {name} from the preset's call"


def test_eta_of_a_call_is_refused_at_its_first_step() -> None:
    pipe = zoo.sdxl()
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    pipe.set_progress_bar_config(disable=True)
    spec = ModelSpec(folder="", pipeline="", dtype="float32")
    encoders = Encoders(pipe, spec, torch.device("cpu"))
    core = CorePipeline(pipe, 0, lambda value: value, encoders, Said(print))
    call = {"prompt": "a cat", **zoo.CALLS["sdxl"], "num_inference_steps": 4, "eta": 0.3}
    with pytest.raises(UsageError, match=r"eta is 0\.3, which draws fresh noise"):
        core.sample(call, 0, 4, (0, 1, 2, 3), StockDriver())


TWO_LATENTS = "moves several latents a step, each by its own copy of the scheduler"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("LTX2Pipeline", TWO_LATENTS),
        ("LTX2ImageToVideoPipeline", TWO_LATENTS),
        ("LTX2ConditionPipeline", TWO_LATENTS),
        ("Kandinsky6TI2VAPipeline", TWO_LATENTS),
        ("Cosmos3OmniPipeline", TWO_LATENTS),
        ("SkyReelsV2DiffusionForcingPipeline", TWO_LATENTS),
        ("StableCascadeCombinedPipeline", "has further schedulers (prior_scheduler)"),
        ("LTXLatentUpsamplePipeline", "has no denoising loop of its own"),
        ("DiffusionPipeline", "has no denoising loop of its own"),
        ("DiTPipeline", "takes no prompt"),
        ("HeliosPyramidPipeline", "takes no number of steps"),
    ],
)
def test_pipeline_of_more_or_less_than_one_latent_is_refused(
    name: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        load(repository(tmp_path), name)
    assert str(refused.value) == f"{name} {reason}"
    assert refused.value.hint == (
        "chords needs one prompt, one loop and one latent; run this pipeline with diffusers alone"
    )


@pytest.mark.parametrize("name", ["FluxxPipeline", "FluxTransformer2DModel", "UniPC"])
def test_pipeline_that_diffusers_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        pipeline_class(name)
    assert str(refused.value) == (
        f"pipeline {name} is not a pipeline of diffusers {diffusers.__version__}"
    )
    assert refused.value.hint == (
        "write the class name as in the model's model_index.json, or upgrade diffusers"
    )


@pytest.mark.parametrize("entry", [None, [None, None], ["diffusers", "NewestScheduler"]])
def test_repository_without_a_known_scheduler_is_refused(
    entry: list[str | None] | None, tmp_path: Path
) -> None:
    index = repository(tmp_path) / "model_index.json"
    index.write_text(json.dumps({"_class_name": "FluxPipeline", "scheduler": entry}))
    with pytest.raises(ChordsError, match="names no scheduler of diffusers") as refused:
        load(tmp_path)
    assert "model_index.json" in refused.value.hint


def test_folder_without_an_index_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(ChordsError, match=r"is not a diffusers repository: model_index\.json"):
        load(tmp_path)


def test_scheduler_class_that_diffusers_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        load(repository(tmp_path), **{"class": "FluxPipeline"})
    version = diffusers.__version__
    assert str(refused.value) == f"scheduler FluxPipeline is not a scheduler of diffusers {version}"


@pytest.mark.parametrize(
    ("call", "chosen", "refused"),
    [
        ({"true_cfg_scale": 4.0}, False, False),  # the pipeline's default, which it warns of itself
        ({"true_cfg_scale": 4.0}, True, True),
        ({"true_cfg_scale": 3.0}, False, True),
        ({"true_cfg_scale": 3.0, "negative_prompt": ""}, True, False),
        ({"true_cfg_scale": 1.0}, True, False),
        ({}, False, False),
    ],
)
def test_true_guidance_without_a_negative_prompt_is_refused_where_somebody_chose_it(
    call: dict[str, Any], chosen: bool, refused: bool
) -> None:
    with pytest.raises(UsageError) if refused else nullcontext():
        check_true_guidance("QwenImagePipeline", call, 4.0, chosen=chosen)
