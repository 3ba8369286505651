"""A video gives its pipeline as many frames as are made, and none that it does not have."""

from types import SimpleNamespace

import pytest
from PIL import Image

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.pipelines.conditions.pictures import opened
from chords_cli.presets.call import FrameRule
from chords_cli.runs.inputs import frames
from chords_cli.runs.inputs.fitting import fit_inputs
from chords_cli.runs.inputs.frames import most_frames
from chords_cli.runs.inputs.inputs import in_call
from tests.doubles import files
from tests.doubles.inputs import VIDEO, make_video_preset, read, spelled

VACE = make_video_preset("WanVACEPipeline")
V2V = make_video_preset(
    "WanVideoToVideoPipeline", call={"height": 48, "width": 64, "num_inference_steps": 50}
)
CONTROL = make_video_preset(
    "CogVideoXFunControlPipeline",
    call={"height": 48, "width": 64, "num_inference_steps": 50},
)


def fit(preset, *said, **asked):
    pipeline = read_pipeline(preset.pipeline)
    return fit_inputs(read(preset, *said), preset, pipeline, preset.call, **asked)


def taken(done, preset) -> dict[str, int]:
    """How many frames the pipeline gets, by argument."""
    return {key: len(value) for key, value in opened(in_call(done.inputs, preset)).items()}


@pytest.mark.parametrize(
    ("count", "rule", "most"),
    [
        (81, FrameRule(multiple=4, offset=1), 81),
        (80, FrameRule(multiple=4, offset=1), 77),
        (3, FrameRule(multiple=4, offset=1), 1),
        (40, FrameRule(multiple=8), 40),
        (7, FrameRule(multiple=8), 0),
        (7, None, 7),
    ],
)
def test_of_frames_as_many_are_taken_as_the_rule_allows(count, rule, most):
    assert most_frames(count, rule) == most


def test_a_long_video_is_cut_to_what_is_made(write):
    write("walk.mp4", files.video(16, fps=16))
    done = fit(VACE, ("video", "walk.mp4"))
    assert done.call["num_frames"] == 9
    assert taken(done, VACE) == {"video": 9}
    assert done.notes == ("walk.mp4 has 16 frames: the first 9 are taken",)


def test_of_a_short_video_no_more_is_made(write):
    write("walk.mp4", files.video(7, fps=16))
    done = fit(VACE, ("video", "walk.mp4"))
    assert done.call["num_frames"] == 5
    assert taken(done, VACE) == {"video": 5}
    assert done.notes == (
        "walk.mp4 has 7 frames: the first 5 are taken",
        "walk.mp4 has 7 frames: the result has 5, not 9",
    )


def test_frames_that_are_asked_for_are_taken(write):
    write("walk.mp4", files.video(16, fps=16))
    done = fit(VACE, ("video", "walk.mp4"), frames=13)
    assert (done.call["num_frames"], taken(done, VACE)) == (13, {"video": 13})


def test_a_pipeline_without_a_number_of_frames_gets_those_of_the_video(write):
    write("walk.mp4", files.video(16, fps=16))
    done = fit(V2V, ("video", "walk.mp4"))
    assert (done.call, taken(done, V2V)) == (V2V.call, {"video": 13})
    done = fit(V2V, ("video", "walk.mp4"), frames=5)
    assert ("num_frames" in done.call, taken(done, V2V)) == (False, {"video": 5})


def test_a_pipeline_of_the_same_weights_takes_no_more_than_the_preset_makes(write):
    preset = make_video_preset("WanVideoToVideoPipeline")
    write("walk.mp4", files.video(16, fps=16))
    done = fit(preset, ("video", "walk.mp4"))
    assert ("num_frames" in done.call, taken(done, preset)) == (False, {"video": 9})
    assert done.notes == ("walk.mp4 has 16 frames: the first 9 are taken",)


def test_a_mask_for_all_frames_is_repeated(write):
    write("walk.mp4", files.video(9, fps=16))
    write("mask.png", files.encoded(Image.new("L", (64, 48), 255)))
    done = fit(VACE, ("video", "walk.mp4"), ("mask", "mask.png"))
    assert taken(done, VACE) == {"video": 9, "mask": 9}
    assert done.notes == ("mask.png is a picture: it stands for all 9 frames",)


def refusal(preset, *said, **asked) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        fit(preset, *said, **asked)
    return spelled(caught.value)


def test_more_frames_than_the_video_has_are_refused_with_how_many_there_can_be(write):
    write("walk.mp4", files.video(7, fps=16))
    assert refusal(VACE, ("video", "walk.mp4"), frames=13) == (
        "--video walk.mp4 has 7 frames, but frames is 13",
        "use --frames 5, or a longer video",
    )


def test_a_video_with_too_few_frames_is_refused(write):
    rule = {"size_multiple": 16, "frames": {"multiple": 8, "offset": 0}}
    call = VIDEO["call"] | {"num_frames": 16}
    preset = make_video_preset("WanVACEPipeline", limits=rule, call=call)
    write("walk.mp4", files.video(3))
    assert refusal(preset, ("video", "walk.mp4")) == (
        "--video walk.mp4 has 3 frames, but mine makes at least 8",
        "name a longer video",
    )


def test_a_picture_says_no_number_of_frames(write):
    write("edges.png", files.encoded(files.picture(64, 48)))
    assert refusal(CONTROL, ("control", "edges.png")) == (
        "--control edges.png is a picture, but mine takes a video there",
        "name a video",
    )
    assert taken(fit(CONTROL, ("control", "edges.png"), frames=5), CONTROL) == {"control_video": 5}


def test_frames_that_do_not_fit_into_memory_are_refused_with_both_numbers(write, monkeypatch):
    class Memory:
        @staticmethod
        def virtual_memory():
            return SimpleNamespace(available=10**9)

    monkeypatch.setattr(frames, "psutil", Memory)
    call = VIDEO["call"] | {"height": 2000, "width": 4000, "num_frames": 81}
    preset = make_video_preset("WanVACEPipeline", call=call)
    write("walk.mp4", files.video(81, fps=16))
    assert refusal(preset, ("video", "walk.mp4"), width=4000, height=2000) == (
        "81 frames of 4000x2000 from --video walk.mp4 take 8 GB of memory, and 1 GB are free",
        "say how many to take with --frames, or make it smaller",
    )
