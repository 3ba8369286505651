from chords_cli.models.memory import estimate_memory, preset_memory
from chords_cli.presets.files import find_preset


def estimated(settings, folder):
    return estimate_memory(
        settings.preset, settings.dtype, settings.plan.cores, settings.decoders, folder
    )


def test_only_core_0_holds_text_encoders_and_only_decoders_the_vae(resolved, model):
    estimate = estimated(resolved(cores=2), model)
    assert estimate == [
        {
            "core": 0,
            "components": {"text_encoder": 40, "text_encoder_2": 40, "transformer": 40},
            "bytes": 120,
        },
        {"core": 1, "components": {"transformer": 40, "vae": 40}, "bytes": 80},
    ]


def test_weights_are_counted_in_the_dtype_that_they_are_loaded_in(resolved, model):
    (core,) = estimated(resolved(cores=1, dtype="bfloat16"), model)
    assert core["bytes"] == 80


def test_a_components_own_dtype_counts(resolved, model, preset_file):
    preset_file.write_text(preset_file.read_text() + "components: {vae: {dtype: float32}}\n")
    (core,) = estimated(resolved(cores=1, dtype="bfloat16"), model)
    assert core["components"] == {
        "text_encoder": 20,
        "text_encoder_2": 20,
        "transformer": 20,
        "vae": 40,
    }


def test_a_variant_beside_the_weights_is_not_counted_twice(resolved, model):
    plain = model / "vae" / "diffusion_pytorch_model.safetensors"
    (model / "vae" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(plain.read_bytes())
    (core,) = estimated(resolved(cores=1), model)
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
