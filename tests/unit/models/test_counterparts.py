"""Which sampler takes the place of which scheduler, and what it keeps of it."""

import json

import diffusers
import pytest
import torch

from chords_cli.models.counterparts import SAMPLERS, NoCounterpartError
from chords_cli.models.fit import preset_with_sampler
from chords_cli.models.repositories import find_model
from chords_cli.presets.files import check_preset

SD = {
    "_class_name": "EulerDiscreteScheduler",
    **{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    **{"prediction_type": "v_prediction", "timestep_spacing": "trailing", "steps_offset": 1},
}
DDIM = {**SD, "_class_name": "DDIMScheduler", "clip_sample": False, "set_alpha_to_one": False}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}

KEPT = {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "beta_end": 0.012}
FLOWS = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}

SD_PIPELINE, WAN, SD3 = "StableDiffusionPipeline", "WanPipeline", "StableDiffusion3Pipeline"


@pytest.fixture
def model(tmp_path):
    """A model of nothing but a scheduler."""

    def make(config, pipeline=SD_PIPELINE, **more):
        (tmp_path / "scheduler").mkdir()
        (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
        index = {"_class_name": pipeline, "scheduler": ["diffusers", config["_class_name"]]}
        (tmp_path / "model_index.json").write_text(json.dumps(index))
        document = {
            **{"name": "m", "title": "M", "kind": "image", "path": str(tmp_path)},
            **{"pipeline": pipeline, "call": {"num_inference_steps": 20}},
        }
        return check_preset(document | more, "m")

    return make


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    ("config", "pipeline", "expected"),
    [
        (SD, SD_PIPELINE, KEPT | {"final_sigmas_type": "zero"}),
        (DDIM, SD_PIPELINE, KEPT | {"final_sigmas_type": "sigma_min", "steps_offset": 1}),
        (FLOW, SD3, FLOWS),
        (FLOW | {"use_dynamic_shifting": True}, "FluxPipeline", FLOWS),
        ({**FLOWS, "_class_name": "DEISMultistepScheduler"}, WAN, FLOWS),
    ],
)
def test_a_sampler_keeps_what_belongs_to_the_model(model, name, config, pipeline, expected):
    preset = preset_with_sampler(model(config, pipeline), name)
    own = getattr(diffusers, config["_class_name"]).from_config(config)
    made = getattr(diffusers, preset.scheduler.cls).from_config(own.config, **preset.scheduler.args)
    assert type(made).__name__ == SAMPLERS[name].cls
    assert {key: made.config[key] for key in expected} == expected
    assert made.config.solver_order == 2
    made.set_timesteps(12, **({"mu": 1.0} if config.get("use_dynamic_shifting") else {}))
    assert len(made.timesteps) == 12
    assert torch.isfinite(made.sigmas).all()


REFUSED = {
    "a grid of its own": (
        {"_class_name": "CogVideoXDDIMScheduler"},
        "CogVideoXPipeline",
        "its grid is its own",
    ),
    "clipping": (DDIM | {"clip_sample": True}, SD_PIPELINE, "clip_sample is True"),
    "continuous time": (SD | {"timestep_type": "continuous"}, SD_PIPELINE, "timestep_type is cont"),
    "other noise levels": (FLOW | {"use_karras_sigmas": True}, SD3, "use_karras_sigmas is True"),
    "an end above zero": (FLOW | {"shift_terminal": 0.1}, SD3, "shift_terminal is 0.1"),
    "the pipeline's noise levels": (FLOW, "QwenImagePipeline", "QwenImagePipeline brings noise"),
    "a shift that is fixed": (FLOW, "FluxPipeline", "FluxPipeline brings a shift"),
}


@pytest.mark.parametrize(("config", "pipeline", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_counterpart_is_refused_with_the_reason(model, config, pipeline, reason):
    with pytest.raises(NoCounterpartError, match="has no counterpart in DPM\\+\\+ 2M: " + reason):
        preset_with_sampler(model(config, pipeline), "dpm++2m")


def test_unipc_takes_noise_levels_from_a_pipeline(model):
    preset = model(FLOW | {"shift_terminal": 0.1}, "QwenImagePipeline")
    assert preset_with_sampler(preset, "unipc").scheduler.cls == "UniPCMultistepScheduler"


def test_a_model_that_has_the_sampler_stays_as_it_is(model):
    video = find_model("demo-video")
    assert preset_with_sampler(video, "unipc") is video
    assert preset_with_sampler(video, "dpm++2m") is not video


def test_a_sampler_of_first_order_is_another_one(model):
    preset = model(
        {**FLOWS, "_class_name": "UniPCMultistepScheduler"},
        WAN,
        scheduler={"class": "UniPCMultistepScheduler", "first_order": True},
    )
    assert preset_with_sampler(preset, "unipc").scheduler.args["disable_corrector"] == []


def test_a_model_that_is_not_here_is_taken_at_its_word():
    assert preset_with_sampler(find_model("flux"), "unipc").scheduler.args["solver_order"] == 2
