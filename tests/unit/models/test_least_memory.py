"""What a run takes for certain: shared pages count once, and what is not known does not."""

import json

import pytest

from chords_cli.models.least_memory import least_picture, least_weights
from chords_cli.models.memory import estimate_memory


@pytest.fixture
def least(resolved, model):
    """The bytes of the weights of two cores on a device."""

    def least_on(device, **options):
        settings = resolved(cores=2, **options)
        cores = estimate_memory(settings.preset, settings.dtype, 2, settings.decoders, model)
        return least_weights(settings.preset, settings.dtype, model, cores, device)

    return least_on


def test_on_the_host_cores_share_what_they_load_as_it_is_stored(least):
    assert least("cpu") == 4 * 40


def test_on_the_host_each_core_has_its_own_of_what_is_cast(least):
    assert least("cpu", dtype="bfloat16") == 5 * 20


def test_on_a_device_each_core_has_its_own_and_text_encoders_may_leave(least):
    assert least("cuda:0") == 3 * 40


def test_how_small_a_quantization_makes_weights_is_not_known(least, preset_file):
    preset_file.write_text(preset_file.read_text() + "quantization: {backend: torchao}\n")
    assert least("cuda:0") == 40


def picture(resolved, folder, **options):
    settings = resolved(**options)
    return least_picture(settings.preset, settings.dtype, settings.call, folder)


def test_a_picture_takes_its_pixels_on_the_device_and_on_the_host(resolved, model):
    pixels = 64 * 96
    assert picture(resolved, model) == (pixels * 12, pixels * 12)
    assert picture(resolved, None, dtype="bfloat16") == (pixels * 6, pixels * 12)


def test_the_plain_vae_takes_its_last_layer_unless_it_decodes_in_tiles(
    resolved, model, preset_file
):
    config = {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256]}
    (model / "vae" / "config.json").write_text(json.dumps(config))
    assert picture(resolved, model)[0] == 64 * 96 * 128 * 2 * 4
    preset_file.write_text(preset_file.read_text() + "components: {vae: {tiling: true}}\n")
    assert picture(resolved, model)[0] == 64 * 96 * 12
