"""What decides a result is in its recipe and reaches the workers; what does not is left out."""

from pathlib import Path

from chords_cli.models import loras
from chords_cli.runs.generate.run import pool_settings
from chords_cli.runs.outputs.recipe import pixels

KEYS = """
compile: {fullgraph: true}
quantization: {backend: torchao, kwargs: {quant_type: Int8WeightOnlyConfig}}
components: {text_encoder: {offload: always}, vae: {tiling: true}}
"""


def test_where_a_text_encoder_waits_decides_no_pixel(resolved, preset_file):
    before = pixels(resolved())
    preset_file.write_text(preset_file.read_text() + "components: {text_encoder: {offload: never}}")
    assert pixels(resolved()) == before


def test_other_keys_of_a_component_stay_when_its_offload_is_left_out(resolved, preset_file):
    text = preset_file.read_text() + "components: {vae: {tiling: true, offload: never}}"
    preset_file.write_text(text)
    assert pixels(resolved()).model["components"] == {"vae": {"tiling": True}}


def test_a_lora_and_its_scale_are_in_the_recipe_as_they_were_named(resolved, lora):
    settings = resolved(loras=((lora, 0.5),))
    assert pixels(settings).document()["loras"] == [{"source": lora, "scale": 0.5}]
    assert pixels(resolved()).loras is None


def test_an_image_has_no_pace(resolved):
    assert pixels(resolved()).fps is None


def test_keys_of_the_preset_and_loras_reach_the_workers(resolved, preset_file, lora):
    preset_file.write_text(preset_file.read_text() + KEYS)
    model = pool_settings(resolved(loras=((lora, 0.5),)), Path("weights")).model
    assert model.compile == {"fullgraph": True}
    assert model.quantization["kwargs"] == {"quant_type": "Int8WeightOnlyConfig"}
    assert model.components["text_encoder"]["offload"] == "always"
    assert model.loras == ((str(loras.lora_file(lora)), 0.5),)
