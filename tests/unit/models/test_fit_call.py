import pytest

from chords_cli.errors import UsageError
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve


@pytest.fixture
def with_call(preset_file):
    """Adds to the preset's call, and may name another pipeline."""

    def write(text, pipeline="FluxPipeline"):
        changed = preset_file.read_text().replace("call: {", f"call: {{{text}, ")
        preset_file.write_text(changed.replace("FluxPipeline", pipeline))

    return write


@pytest.fixture
def elsewhere(preset_file, monkeypatch, tmp_path):
    """Has the preset name a repository that is not on this machine."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))

    def write():
        text = preset_file.read_text()
        preset_file.write_text(text.replace("path: weights", "repo: nobody/nothing"))

    return write


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("hieght: 128", "call.hieght is not an argument of FluxPipeline", "did you mean height?"),
        (
            "zoom: 3",
            "call.zoom is not an argument of FluxPipeline",
            "remove zoom from the preset's call",
        ),
        (
            "max_sequence_length: x",
            "call.max_sequence_length is 'x', but must be a number",
            "correct it in the preset's call",
        ),
        (
            "max_sequence_length: [1, 2]",
            "call.max_sequence_length is [1, 2], but must be a number",
            "correct it in the preset's call",
        ),
        (
            "hieght: 128, zoom: 3, max_sequence_length: x, sigmas: [1.0, 0.5]",
            "call.hieght is not an argument of FluxPipeline; call.zoom is not an argument of "
            "FluxPipeline; call.max_sequence_length is 'x', but must be a number; sigmas lists 2 "
            "steps, but the plan has 50",
            "did you mean height?",
        ),
    ],
)
def test_an_argument_that_the_pipeline_does_not_take_is_refused(
    refused, with_call, text, message, hint
):
    with_call(text)
    assert refused() == (message, hint)


@pytest.mark.parametrize(
    ("text", "pipeline", "message", "hint"),
    [
        (
            "denoising_end: 0.6",
            "StableDiffusionXLPipeline",
            "denoising_end is 0.6, which leaves out the end of the loop, but a plan takes every "
            "step",
            "remove denoising_end from the preset's call",
        ),
        (
            "sigmas: [1.0, 0.5]",
            "FluxPipeline",
            "sigmas lists 2 steps, but the plan has 50",
            "use --steps 2, or remove sigmas from the preset's call",
        ),
        (
            "timesteps: [900, 500, 100]",
            "StableDiffusionXLPipeline",
            "timesteps lists 3 steps, but the plan has 50",
            "use --steps 3, or remove timesteps from the preset's call",
        ),
    ],
)
def test_a_call_whose_loop_takes_other_steps_than_the_plan_is_refused(
    refused, with_call, elsewhere, text, pipeline, message, hint
):
    with_call(text, pipeline)
    elsewhere()
    assert refused() == (message, hint)


@pytest.mark.parametrize(
    "text", ["denoising_end: 1.0", "denoising_end: null", "timesteps: null", "sigmas: null"]
)
def test_a_call_whose_loop_takes_every_step_is_accepted(resolved, with_call, elsewhere, text):
    with_call(text, "StableDiffusionXLPipeline")
    elsewhere()
    resolved()


@pytest.mark.parametrize("text", ["max_sequence_length: null", "sigmas: null"])
def test_an_argument_that_it_takes_is_accepted(resolved, with_call, text):
    with_call(text)
    resolved()


def test_an_option_that_the_pipeline_does_not_take_is_refused(refused, preset_file, elsewhere):
    elsewhere()
    text = preset_file.read_text().replace("height: 64, width: 96, ", "")
    text = text.replace(', negative_prompt: ""', "")
    preset_file.write_text(text.replace("FluxPipeline", "VQDiffusionPipeline"))
    assert refused(width=96) == (
        "VQDiffusionPipeline takes no width",
        "leave out --width",
    )


def test_noise_in_every_step_is_refused(refused, with_call, elsewhere):
    elsewhere()
    with_call("eta: 0.3", "StableDiffusionPipeline")
    assert refused() == (
        "eta is 0.3, which draws fresh noise in every step",
        "remove eta from the preset's call",
    )


def test_a_pipeline_that_needs_a_picture_is_refused(refused, with_call, elsewhere):
    elsewhere()
    with_call("guidance_scale_2: 1.0", "WanImageToVideoPipeline")
    assert refused() == (
        "toy starts from a picture, and none is given",
        "name one with --image FILE",
    )


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        ("LTX2Pipeline", "moves several latents a step, each by its own copy of the scheduler"),
        ("FluxPriorReduxPipeline", "has no denoising loop of its own"),
        ("LDMTextToImagePipeline", "has a loop that does not number its steps"),
        ("HeliosPipeline", "makes its video in sections, each in a loop of its own"),
        (
            "SemanticStableDiffusionPipeline",
            "computes a step by what it did in those before, which faster cores leave out",
        ),
    ],
)
def test_a_pipeline_that_cores_cannot_share_is_refused(refused, with_call, pipeline, reason):
    with_call("sigmas: null", pipeline)
    assert refused()[0] == f"{pipeline} {reason}"


def test_a_picture_from_a_pipeline_of_videos_is_one_frame(refused, resolved, with_call, elsewhere):
    with_call("max_sequence_length: 64", "WanPipeline")
    elsewhere()
    assert refused() == (
        "kind is image, but WanPipeline makes videos",
        "write `kind: video` and fps in the preset, or `num_frames: 1` in its call",
    )
    with_call("num_frames: 1", "WanPipeline")
    assert resolved().call["num_frames"] == 1


def test_a_video_from_a_pipeline_of_pictures_is_refused(preset_file):
    text = preset_file.read_text().replace("kind: image", "kind: video\nfps: 8")
    preset_file.write_text(text)
    with pytest.raises(UsageError) as caught:
        resolve(Request(kind="video", model=str(preset_file), devices="cpu"))
    assert caught.value.message == "kind is video, but FluxPipeline makes pictures"
    assert caught.value.hint == "write `kind: image`, without fps, in the preset"
