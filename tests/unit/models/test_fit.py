import json
from importlib.metadata import version

import pytest

from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.models.fit import check_model
from chords_cli.models.inputs.roles import argument_of, taken_roles
from chords_cli.presets.call import SIZES
from chords_cli.presets.files import available_presets, load_preset

VERSION = version("diffusers")
SAVED = "point the preset's path at a folder that `save_pretrained` wrote"


@pytest.mark.parametrize("path", [".", "nope"])
def test_a_path_without_a_model_is_refused(refused, preset_file, path):
    preset_file.write_text(preset_file.read_text().replace("path: weights", f"path: {path}"))
    folder = (preset_file.parent / path).resolve()
    assert refused() == (f"{folder} holds no model: there is no model_index.json", SAVED)


def test_an_index_that_cannot_be_read_is_refused(refused, model):
    (model / "model_index.json").write_text("[")
    message, hint = refused()
    assert message.startswith(f"{model / 'model_index.json'} cannot be read (Expecting value")
    assert hint == SAVED


CHOICE = (
    "choose from scheduler, text_encoder, text_encoder_2, tokenizer, tokenizer_2, transformer, vae"
)


@pytest.mark.parametrize(
    ("section", "text", "name", "near"),
    [
        ("components", "{text_encodr: {offload: always}}", "text_encodr", "text_encoder"),
        ("components", "{unit: {dtype: float32}}", "unit", None),
        ("components", "{image_encoder: {dtype: float32}}", "image_encoder", "text_encoder"),
        ("parameters", "{transfomer: 11.9}", "transfomer", "transformer"),
        ("quantization", "{backend: quanto, components: [vea]}", "vea", "vae"),
    ],
)
def test_a_component_that_the_model_has_not_is_refused(
    refused, preset_file, section, text, name, near
):
    preset_file.write_text(preset_file.read_text() + f"{section}: {text}\n")
    where = "quantization.components" if section == "quantization" else section
    hint = f"did you mean {near}? {CHOICE}" if near else CHOICE
    assert refused() == (f"{where} names {name}, which FluxPipeline has not", hint)


def test_a_component_is_looked_for_in_the_pipeline_while_the_model_is_not_here(
    refused, preset_file, monkeypatch, tmp_path
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    text = preset_file.read_text().replace("path: weights", "repo: nobody/nothing")
    preset_file.write_text(text + "components: {text_encodr: {offload: always}}\n")
    message, hint = refused()
    assert message == "components names text_encodr, which FluxPipeline has not"
    assert hint.startswith("did you mean text_encoder? choose from scheduler, vae, text_encoder, ")


def test_an_offload_that_would_do_nothing_is_refused(refused, preset_file):
    preset_file.write_text(preset_file.read_text() + "components: {vae: {offload: always}}\n")
    assert refused() == (
        "components.vae.offload is always, but only text and image encoders leave their device",
        "remove offload from the preset's components.vae",
    )


@pytest.mark.parametrize("file", available_presets(), ids=lambda file: file.name)
def test_every_shipped_preset_fits_what_diffusers_says_of_its_pipelines(file, torchvision):
    own = load_preset(file.file)
    for preset in (own, *(own.starting_from([role]) for role in own.variants)):
        takes = read_pipeline(preset.pipeline).arguments
        call = {
            key: value for key, value in preset.call.items() if key in takes or key not in SIZES
        }
        roles = taken_roles(takes, preset.inputs)
        assert preset.inputs.keys() <= {*roles}
        files = {argument_of(role, takes, preset.inputs.get(role)): object() for role in roles}
        check_model(preset, call | files)


NOISY = "its steps draw noise or keep a history that does not survive a jump"


@pytest.mark.parametrize(
    ("scheduler", "message", "hint"),
    [
        (
            "{class: EulerAncestralDiscreteScheduler}",
            f"EulerAncestralDiscreteScheduler cannot be shared by cores: {NOISY}",
            "set `scheduler: {class: EulerDiscreteScheduler, from_config: true}` in the preset, "
            "without noise",
        ),
        (
            "{class: FlowMatchHeunDiscreteScheduler}",
            "FlowMatchHeunDiscreteScheduler cannot be shared by cores: it calls the model 2 times "
            "a step",
            "set `scheduler: {class: FlowMatchEulerDiscreteScheduler, from_config: true}` in the "
            "preset, without noise",
        ),
        (
            "{class: DPMSolverMultistepScheduler, args: {algorithm_type: sde-dpmsolver++}}",
            "DPMSolverMultistepScheduler cannot be shared by cores: algorithm_type "
            "sde-dpmsolver++ draws fresh noise in every step",
            "set `scheduler: {class: DPMSolverMultistepScheduler, from_config: true}` in the "
            "preset, without noise",
        ),
        (
            "{class: EulerDiscretScheduler}",
            f"scheduler EulerDiscretScheduler is not a scheduler of diffusers {VERSION}",
            "did you mean EulerDiscreteScheduler? write a class of diffusers, as in "
            "`scheduler: {class: EulerDiscreteScheduler}`",
        ),
        (
            "{class: DDIMScheduler, first_order: true}",
            "scheduler.first_order is true, but DDIMScheduler has no order to lower",
            "remove first_order from the preset's scheduler",
        ),
    ],
)
def test_a_scheduler_that_cannot_work_is_refused(refused, preset_file, scheduler, message, hint):
    preset_file.write_text(preset_file.read_text() + f"scheduler: {scheduler}\n")
    assert refused() == (message, hint)


def test_a_setting_that_the_scheduler_has_not_is_refused(refused, preset_file):
    scheduler = "{class: FlowMatchEulerDiscreteScheduler, args: {shfit: 3.0}}"
    preset_file.write_text(preset_file.read_text() + f"scheduler: {scheduler}\n")
    message, hint = refused()
    assert message == "scheduler.args.shfit is not a setting of FlowMatchEulerDiscreteScheduler"
    assert hint.startswith("did you mean shift? it has num_train_timesteps, shift, ")


def test_the_models_own_scheduler_is_judged_with_its_own_settings(refused, resolved, model):
    resolved()
    config = model / "scheduler" / "scheduler_config.json"
    config.write_text('{"stochastic_sampling": true}')
    message = "cannot be shared by cores: stochastic_sampling draws fresh noise in every step"
    assert refused()[0] == f"FlowMatchEulerDiscreteScheduler {message}"
    index = json.loads((model / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "DDPMScheduler"]
    (model / "model_index.json").write_text(json.dumps(index))
    assert refused()[0] == f"DDPMScheduler cannot be shared by cores: {NOISY}"


def test_a_setting_of_the_preset_wins_over_the_models_own(resolved, preset_file, model):
    config = model / "scheduler" / "scheduler_config.json"
    config.write_text('{"stochastic_sampling": true}')
    args = "{class: FlowMatchEulerDiscreteScheduler, args: {stochastic_sampling: false}}"
    preset_file.write_text(preset_file.read_text() + f"scheduler: {args}\n")
    assert resolved().preset.scheduler is not None


def test_a_pipeline_whose_denoiser_is_another_is_refused(refused, preset_file, model):
    preset_file.write_text(preset_file.read_text().replace("FluxPipeline", "WanPipeline"))
    assert refused() == (
        f"WanPipeline needs a WanTransformer3DModel as its transformer, but {model} was made for "
        "FluxPipeline",
        "write `pipeline: FluxPipeline` in the preset, or name a model that was made for this one",
    )


def test_a_pipeline_whose_parts_are_missing_is_refused(refused, preset_file, model):
    text = preset_file.read_text().replace("FluxPipeline", "StableDiffusion3Pipeline")
    preset_file.write_text(text)
    assert refused() == (
        f"StableDiffusion3Pipeline needs text_encoder_3, tokenizer_3, which {model} has not",
        "write `pipeline: FluxPipeline` in the preset, or name a model that was made for this one",
    )


@pytest.mark.parametrize("pipeline", ["FluxKontextPipeline"])
def test_another_pipeline_of_the_same_parts_is_accepted(resolved, preset_file, pipeline):
    preset_file.write_text(preset_file.read_text().replace("FluxPipeline", pipeline))
    assert resolved().preset.pipeline == pipeline


def test_a_model_of_an_unknown_pipeline_is_judged_by_its_components(resolved, model):
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps(index | {"_class_name": "MyPipeline"}))
    assert resolved().preset.pipeline == "FluxPipeline"
