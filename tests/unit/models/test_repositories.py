"""A model without a preset runs with its pipeline's own defaults."""

import json

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.hub import Weights
from chords_cli.models import repositories
from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.models.repositories import find_model
from chords_cli.presets.files import load_preset, to_yaml


@pytest.fixture
def fetched(model, monkeypatch):
    """Takes the model's folder for the snapshot of every repository."""
    weights = Weights("complete", model, 1)
    monkeypatch.setattr(repositories, "find_snapshot", lambda *_: weights)
    return model


def test_a_repository_is_a_preset_with_its_pipelines_defaults(fetched):
    preset = find_model("Some-One/My_Flux.1")
    assert (preset.name, preset.title, preset.kind) == ("my-flux.1", "Some-One/My_Flux.1", "image")
    assert (preset.repo, preset.path, preset.pipeline) == (
        "Some-One/My_Flux.1",
        None,
        "FluxPipeline",
    )
    assert preset.call == {
        "num_inference_steps": 28,
        "guidance_scale": 3.5,
    }
    assert preset.license.name == "not stated"


def test_a_folder_is_a_preset_too(model):
    preset = find_model(str(model))
    assert (preset.name, preset.path, preset.repo) == ("weights", model, None)


def test_a_video_pipeline_makes_videos(fetched):
    index = json.loads((fetched / "model_index.json").read_text()) | {"_class_name": "WanPipeline"}
    (fetched / "model_index.json").write_text(json.dumps(index))
    preset = find_model("me/mine")
    assert (preset.kind, preset.fps, preset.call["num_frames"]) == ("video", 16, 81)


def test_what_it_comes_to_is_a_preset_that_can_be_edited(fetched, tmp_path):
    preset = find_model("me/mine")
    (tmp_path / "mine.yaml").write_text(to_yaml(preset))
    assert load_preset(tmp_path / "mine.yaml") == preset


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("me/absent", "me/absent is neither a preset file nor a repository on this machine",
         "fetch the repository first: chords download me/absent"),
        ("black-forest-labs/FLUX.1-dev",
         "black-forest-labs/FLUX.1-dev is neither a preset file nor a repository on this machine",
         "fetch it first: chords download flux, and use its preset: --model flux"),
        ("fluxx", "unknown model 'fluxx'", "did you mean flux?"),
        ("", "unknown model ''", "`chords presets` lists"),
        ("a/b.yaml", "preset file a/b.yaml does not exist", "`chords presets` lists"),
        ("a/b/c", "preset file a/b/c does not exist", "`chords presets` lists"),
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused(name, message, hint, monkeypatch):
    monkeypatch.setattr(repositories, "find_snapshot", lambda *_: Weights("absent", None, 0))
    with pytest.raises(UsageError) as caught:
        find_model(name)
    shown = caught.value.spelled(as_option)
    assert (shown[0], shown[1][: len(hint)]) == (message, hint)


def test_an_index_without_a_pipeline_is_refused(model):
    (model / "model_index.json").write_text("{}")
    with pytest.raises(UsageError, match=r"model_index.json names no pipeline"):
        find_model(str(model))


def test_defaults_are_those_of_the_call():
    pipeline = read_pipeline("WanPipeline")
    assert pipeline is not None
    assert pipeline.defaults["num_frames"] == 81
    assert pipeline.defaults["guidance_scale"] == 5.0
    assert "self" not in pipeline.defaults


def test_a_folder_whose_weights_are_a_variant_runs_with_it(model):
    file = model / "transformer" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert find_model(str(model)).variant == "fp16"
