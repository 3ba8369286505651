"""What a model takes from elsewhere: whether it is here, and whether it fits."""

import json

import pytest

from chords_cli.engine.messages import Latent
from chords_cli.errors import UsageError
from chords_cli.media.latents import latent_bytes
from chords_cli.models.fit import check_model
from chords_cli.models.memory import preset_memory
from chords_cli.models.weights import find_weights, model_folder, revision_here
from chords_cli.presets.files import load_preset

TENSOR = latent_bytes(Latent("float32", (2, 5), b"\0" * 40), {"format": "pt"})


@pytest.fixture
def elsewhere(tmp_path):
    """Saves a component of that class, with 10 numbers, in the folder `elsewhere`."""

    def save(cls="AutoencoderKL", key="_class_name", stem="diffusion_pytorch_model"):
        folder = tmp_path / "elsewhere"
        folder.mkdir(exist_ok=True)
        name = [cls] if key == "architectures" else cls
        (folder / "config.json").write_text(json.dumps({key: name}))
        (folder / f"{stem}.safetensors").write_bytes(TENSOR)
        return folder

    return save


@pytest.fixture
def adapter(tmp_path):
    """Saves tensors of these names as `adapters/ip.safetensors`."""

    def save(*names):
        file = tmp_path / "adapters" / "ip.safetensors"
        file.parent.mkdir(exist_ok=True)
        own = {name: {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]} for name in names}
        header = json.dumps(own).encode()
        file.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 12)
        return file

    return save


@pytest.fixture
def checked(preset_file):
    """Adds keys to the preset of the test model and checks it."""

    def check(keys):
        preset_file.write_text(preset_file.read_text() + keys)
        preset = load_preset(preset_file)
        check_model(preset, preset.call)
        return preset

    return check


@pytest.fixture
def not_fitting(checked):
    """The message and the hint with which such a preset is refused."""

    def refuse(keys):
        with pytest.raises(UsageError) as caught:
            checked(keys)
        return caught.value.message, caught.value.hint

    return refuse


VAE = "components: {vae: {path: elsewhere}}\n"


def test_a_component_from_elsewhere_takes_the_place_of_the_models_own(checked, model, elsewhere):
    folder = elsewhere()
    for file in (model / "vae").iterdir():
        file.unlink()
    preset = checked(VAE)
    assert model_folder(preset) == model
    assert find_weights(preset).state == "complete"
    assert max(core["components"].get("vae", 0) for core in preset_memory(preset, model)) == 40
    before = revision_here(preset)
    (folder / "config.json").write_text('{"_class_name": "AutoencoderKL", "scaling_factor": 2}')
    assert revision_here(preset) != before


def test_a_part_that_is_not_here_is_named(checked, model, elsewhere):
    preset = checked(VAE)
    folder = model.parent / "elsewhere"
    lack = "there is no config.json: it holds no model there"
    found = find_weights(preset)
    assert (found.state, found.folder) == ("partial", model)
    assert found.lack == f"{folder} is not complete on this machine: {lack}"
    with pytest.raises(UsageError) as caught:
        model_folder(preset)
    assert caught.value.message == f"{folder} is not complete on this machine: {lack}"


def test_a_part_that_was_cut_is_refused(not_fitting, elsewhere):
    folder = elsewhere()
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(TENSOR[:-4])
    message, hint = not_fitting(VAE)
    assert message.startswith(f"vae/diffusion_pytorch_model.safetensors of {folder} has ")
    assert hint == "copy or save it again"


def test_a_part_that_the_pipeline_does_not_take_is_refused(not_fitting, elsewhere):
    elsewhere("ControlNetModel")
    message, _ = not_fitting("components: {controlnet: {path: elsewhere}}\n")
    assert message == "components names controlnet, which FluxPipeline has not"


def test_a_part_of_another_class_is_refused(not_fitting, elsewhere):
    folder = elsewhere("ControlNetModel")
    assert not_fitting("components: {transformer: {path: elsewhere}}\n") == (
        "FluxPipeline takes a FluxTransformer2DModel as its transformer, but "
        f"{folder} holds a ControlNetModel",
        "name another repository in the preset's components.transformer",
    )


def test_a_part_from_elsewhere_cannot_be_quantized(not_fitting, elsewhere):
    folder = elsewhere("FluxTransformer2DModel")
    keys = "quantization: {backend: quanto}\ncomponents: {transformer: {path: elsewhere}}\n"
    message, _ = not_fitting(keys)
    assert message == (
        f"components.transformer comes from {folder}, and only what comes with the model can be "
        "quantized"
    )


CLIP = "CLIPVisionModelWithProjection"
ADAPTED = "adapters: [{path: adapters, file: ip.safetensors}]\n"
SEEING = "components: {image_encoder: {path: elsewhere}}\n"


def test_an_adapter_is_counted_with_the_denoiser(checked, model, elsewhere, adapter):
    elsewhere(CLIP, "architectures", "model")
    adapter("image_proj.a", "ip_adapter.b")
    preset = checked(ADAPTED + SEEING)
    (core, *_) = preset_memory(preset, model)
    assert (core["components"]["transformer"], core["components"]["image_encoder"]) == (64, 40)


def test_an_adapter_without_an_encoder_is_refused(not_fitting, model, adapter):
    adapter("image_proj.a", "ip_adapter.b")
    assert not_fitting(ADAPTED) == (
        f"adapters need an image_encoder to see a picture with, and {model} has none",
        "add one to the preset, as in components: {image_encoder: {repo: h94/IP-Adapter, "
        "subfolder: models/image_encoder}}",
    )


def test_a_file_that_is_no_adapter_is_refused(not_fitting, elsewhere, adapter):
    elsewhere(CLIP, "architectures", "model")
    file = adapter("transformer.a.lora_A")
    assert not_fitting(ADAPTED + SEEING) == (
        f"adapter {file} is no IP-Adapter: it lacks tensors image_proj. or ip_adapter....",
        "name another file in the preset's adapters",
    )


def test_a_pipeline_that_takes_no_adapter_is_refused(not_fitting, model, preset_file, adapter):
    adapter("image_proj.a", "ip_adapter.b")
    text = preset_file.read_text().replace("pipeline: FluxPipeline", "pipeline: FluxFillPipeline")
    preset_file.write_text(text.replace('negative_prompt: ""', "strength: 1.0"))
    assert not_fitting(ADAPTED) == (
        "FluxFillPipeline takes no IP-Adapter",
        "remove `adapters` from the preset",
    )
