"""The presets of large models: what can be known of them without their weights."""

import pytest

from chords_cli.pipelines.load.spec import DENOISERS
from chords_cli.presets.files import available_presets, load_preset
from tests.doubles import tiny, zoo, zoo_pictures

SHIPPED = [load_preset(file.file) for file in available_presets() if file.origin == "shipped"]
LARGE = [preset for preset in SHIPPED if preset.repo]

large = pytest.mark.parametrize("preset", LARGE, ids=lambda preset: preset.name)


@pytest.fixture(scope="module")
def tested() -> set[str]:
    """The classes of which other tests have a tiny pipeline with random weights."""
    builders = (tiny.BUILDERS | zoo.BUILDERS | zoo_pictures.BUILDERS).values()
    return {type(builder()).__name__ for builder in builders}


@large
def test_its_pipelines_are_those_that_are_tested(preset, tested):
    assert {preset.pipeline, *(one.pipeline for one in preset.variants.values())} <= tested


@large
def test_its_licence_is_said_and_found_at_its_repository(preset):
    assert preset.license.name != "not stated"
    assert preset.license.url == f"https://huggingface.co/{preset.repo}"


@large
def test_its_memory_can_be_estimated(preset):
    assert preset.parameters.keys() & {*DENOISERS}
    assert "text_encoder" in preset.parameters


@large
def test_it_makes_something_without_a_prompt(preset):
    assert len({*preset.prompts}) == len(preset.prompts) >= 2
