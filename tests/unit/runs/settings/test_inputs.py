"""What a run starts from decides its pipeline, its call and how many steps are left."""

from pathlib import Path

import pytest

from chords_cli.runs.settings.inputs import begin_from
from chords_cli.runs.settings.options.call import resolve_call
from chords_cli.runs.settings.options.request import Request
from tests.doubles import files
from tests.doubles.inputs import make_preset, make_video_preset, refusal_of

FLUX = {"variants": {"image": "FluxImg2ImgPipeline", "mask": "FluxInpaintPipeline"}}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A folder with a picture and a video."""
    monkeypatch.chdir(tmp_path)
    files.picture(64, 64).save("photo.png")
    files.picture(64, 64).save("mask.png")


def begin(preset, **options):
    request = Request(kind=preset.kind, **options)
    preset = preset.starting_from([role for role, _ in request.files])
    return begin_from(request, preset, resolve_call(request, preset))


def test_files_are_listed_by_role_and_in_their_order():
    request = Request(kind="image", mask="m.png", image=("b.png", "a.png"), control="c.png")
    roles = ("image", "b.png"), ("image", "a.png"), ("mask", "m.png"), ("control", "c.png")
    assert request.files == roles
    assert Request(kind="image").files == ()


@pytest.mark.parametrize(
    ("pipeline", "steps", "strength", "taken"),
    [
        ("FluxImg2ImgPipeline", 50, 0.7, 35),
        ("FluxImg2ImgPipeline", 10, 0.75, 8),
        ("StableDiffusionXLImg2ImgPipeline", 10, 0.75, 7),
        ("FluxImg2ImgPipeline", 50, 1.0, 50),
    ],
)
def test_the_plan_is_made_of_the_steps_that_a_strength_leaves(pipeline, steps, strength, taken):
    preset = make_preset(pipeline)
    found = begin(preset, image=("photo.png",), strength=strength, steps=steps)
    assert (found.steps, found.call["num_inference_steps"]) == (taken, steps)
    assert found.call["strength"] == strength
    request = found.apply(Request(kind="image", steps=steps))
    assert request.steps == taken
    note = f"strength {strength:g} leaves {taken} of {steps} steps"
    assert found.notes == (() if taken == steps else (note,))


def test_the_strength_of_a_pipeline_that_has_another_name_for_it_is_its_argument():
    preset = make_video_preset("LTXConditionPipeline")
    found = begin(preset, image=("photo.png",), strength=0.5)
    assert found.call["denoise_strength"] == 0.5
    assert "strength" not in found.call
    assert found.steps == 25


def test_without_files_and_strength_nothing_changes():
    preset = make_preset("FluxPipeline", **FLUX)
    found = begin(preset)
    assert (found.inputs, found.steps, found.shortened, found.notes) == ((), 50, None, ())
    assert found.call == preset.call


def test_a_strength_that_leaves_nothing_is_refused():
    preset = make_preset("StableDiffusionXLImg2ImgPipeline")
    assert refusal_of(lambda: begin(preset, image=("photo.png",), strength=0.01)) == (
        "strength 0.01 of 50 steps leaves none to take",
        "raise --strength or --steps",
    )


def test_a_size_that_the_pipeline_takes_from_the_picture_is_left_out_of_the_call():
    preset = make_preset("StableDiffusionXLImg2ImgPipeline")
    found = begin(preset, image=("photo.png",), strength=1.0)
    assert not {"width", "height"} & found.call.keys()


@pytest.mark.parametrize(
    ("fps", "notes"),
    [
        (16, ("walk.mp4 has 8 frames a second, the result 16: --fps 8 keeps its pace",)),
        (8, ()),
    ],
)
def test_another_pace_is_told_with_the_option_that_keeps_it(fps, notes):
    Path("walk.mp4").write_bytes(files.video(9, fps=8))
    preset = make_video_preset("WanVACEPipeline")
    assert begin(preset, video="walk.mp4", fps=fps).notes == notes
