"""What is not installed is named before anything is loaded."""

import sys

import pytest

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.models.fit import check_model
from chords_cli.models.inputs.packages import check_packages
from tests.doubles.inputs import make_preset

EDITS = {
    "QwenImageEditPipeline": "Qwen2VLProcessor",
    "QwenImageEditPlusPipeline": "Qwen2VLProcessor",
    "JoyImageEditPipeline": "Qwen3VLProcessor",
}


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)


@pytest.mark.parametrize(("name", "processor"), EDITS.items())
def test_a_pipeline_whose_processor_needs_torchvision_is_refused_without(missing, name, processor):
    with pytest.raises(UsageError) as caught:
        check_packages(read_pipeline(name), {})
    message = f"{name} needs torchvision for its {processor}, and that is not installed"
    assert (caught.value.message, caught.value.hint) == (message, 'pip install "chords-cli[qwen]"')


def test_a_preset_is_refused_before_its_model_is_here(missing, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    preset = make_preset("QwenImageEditPipeline", path=None, repo="Qwen/Qwen-Image-Edit")
    with pytest.raises(UsageError, match="needs torchvision"):
        check_model(preset, preset.call)


def test_what_the_model_holds_counts_more_than_what_its_pipeline_names(missing):
    parts = {"processor": ("transformers", "Qwen2VLProcessor")}
    with pytest.raises(UsageError, match="needs torchvision"):
        check_packages(read_pipeline("QwenImageEditPipeline"), parts)
    parts = {"processor": ("transformers", "PixtralProcessor")}
    check_packages(read_pipeline("QwenImageEditPipeline"), parts)


def test_with_torchvision_it_is_accepted(torchvision):
    check_packages(read_pipeline("QwenImageEditPipeline"), {})


@pytest.mark.parametrize("name", ["QwenImagePipeline", "FluxKontextPipeline", "Flux2Pipeline"])
def test_other_pipelines_need_none(missing, name):
    check_packages(read_pipeline(name), {})
