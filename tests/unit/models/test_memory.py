import pytest

from chords_cli.engine.messages import Latent
from chords_cli.media.latents import latent_bytes
from chords_cli.models.memory import estimate_memory, preset_memory
from chords_cli.presets.files import find_preset


def estimated(settings, folder):
    return estimate_memory(
        settings.preset, settings.dtype, settings.plan.cores, settings.decoders, folder
    )


@pytest.fixture
def weights(model):
    """A pipeline's folder in which three components hold one tensor of 10 numbers each."""
    for name in ("transformer", "vae", "text_encoder"):
        (model / name).mkdir()
        data = latent_bytes(Latent("float32", (2, 5), b"\0" * 40), {"format": "pt"})
        (model / name / "model.safetensors").write_bytes(data)
    (model / "tokenizer").mkdir()
    return model


def test_only_core_0_holds_text_encoders_and_only_decoders_the_vae(resolved, weights):
    estimate = estimated(resolved(cores=2), weights)
    assert estimate == [
        {
            "core": 0,
            "components": {"transformer": 40, "text_encoder": 40},
            "bytes": 80,
        },
        {"core": 1, "components": {"transformer": 40, "vae": 40}, "bytes": 80},
    ]


def test_weights_are_counted_in_the_dtype_that_they_are_loaded_in(resolved, weights):
    (core,) = estimated(resolved(cores=1, dtype="bfloat16"), weights)
    assert core["bytes"] == 60


def test_a_components_own_dtype_counts(resolved, weights, preset_file):
    preset_file.write_text(preset_file.read_text() + "components: {vae: {dtype: float32}}\n")
    (core,) = estimated(resolved(cores=1, dtype="bfloat16"), weights)
    assert core["components"] == {"transformer": 20, "vae": 40, "text_encoder": 20}


def test_a_variant_beside_the_weights_is_not_counted_twice(resolved, weights):
    plain = weights / "vae" / "model.safetensors"
    (weights / "vae" / "model.fp16.safetensors").write_bytes(plain.read_bytes())
    (core,) = estimated(resolved(cores=1), weights)
    assert core["components"]["vae"] == 40


def test_a_presets_own_plan_is_estimated_from_its_numbers_of_parameters():
    cores = preset_memory(find_preset("flux"), None)
    assert [core["core"] for core in cores] == list(range(8))
    assert list(cores[0]["components"]) == ["transformer", "text_encoder", "text_encoder_2"]
    assert cores[1] == {"core": 1, "components": {"transformer": 23.8e9}, "bytes": 23.8e9}
    assert set(cores[7]["components"]) == {"transformer", "vae"}


def test_what_runs_in_another_dtype_counts_in_it():
    assert preset_memory(find_preset("wan2-1"), None)[7]["components"]["vae"] == 520_000_000


def test_files_that_cannot_be_read_leave_the_numbers_of_parameters(tmp_path):
    (tmp_path / "model_index.json").write_text("{")
    assert preset_memory(find_preset("flux"), tmp_path) == preset_memory(find_preset("flux"), None)
