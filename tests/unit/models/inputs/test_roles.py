"""Files find the argument that takes them by its name, or as the preset says."""

import pytest

from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.models.inputs.roles import argument_of, taken_roles
from chords_cli.presets.inputs import InputRule


@pytest.mark.parametrize(
    ("pipeline", "roles"),
    [
        ("FluxPipeline", ()),
        ("FluxImg2ImgPipeline", ("image",)),
        ("FluxInpaintPipeline", ("image", "mask")),
        ("FluxControlPipeline", ("control",)),
        ("WanImageToVideoPipeline", ("image", "last-image")),
        ("WanVideoToVideoPipeline", ("video",)),
        ("WanVACEPipeline", ("image", "mask", "video")),
        ("StableDiffusionXLControlNetPipeline", ("image",)),
    ],
)
def test_roles_of_a_pipeline(pipeline: str, roles: tuple[str, ...]) -> None:
    read = read_pipeline(pipeline)
    assert read is not None
    assert tuple(taken_roles(read.arguments, {})) == roles


def test_the_preset_says_what_names_do_not() -> None:
    read = read_pipeline("StableDiffusionXLControlNetPipeline")
    assert read is not None
    rule = InputRule(argument="image")
    assert argument_of("control", read.arguments, rule) == "image"
    assert argument_of("control", read.arguments, None) is None
    assert argument_of("control", read.arguments, InputRule(argument="picture")) is None


def test_references_of_vace_are_images() -> None:
    read = read_pipeline("WanVACEPipeline")
    assert read is not None
    assert argument_of("image", read.arguments, None) == "reference_images"
