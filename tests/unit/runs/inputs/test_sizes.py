"""The size of a result follows from the picture, and no picture is stretched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import read_pipeline
from chords_cli.runs.inputs.fitting import fit_inputs
from chords_cli.runs.inputs.sizes import crop_to, size_from
from tests.doubles import files
from tests.doubles.inputs import make_preset, make_video_preset, read, spelled


def blank(width: int, height: int) -> bytes:
    return files.encoded(Image.new("L", (width, height), 255))


MEGAPIXEL = 1024 * 1024


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((1024, 1024), (1024, 1024)),
        ((300, 300), (1024, 1024)),
        ((1200, 800), (1248, 832)),
        ((4000, 3000), (1184, 880)),
        ((3000, 4000), (880, 1184)),
        ((1920, 1080), (1360, 768)),
        ((1000, 10), (10240, 96)),
    ],
)
def test_a_size_has_the_shape_of_the_picture_and_the_area_of_the_preset(picture, size):
    assert size_from(picture, MEGAPIXEL, 16) == size


def test_of_coarse_sizes_the_one_that_keeps_most_is_taken():
    assert size_from((400, 300), 128 * 128, 16) == (144, 112)
    assert size_from((1920, 1080), 832 * 480, 16) == (832, 480)


SIDES = st.tuples(st.integers(1, 20000), st.integers(1, 20000))


@given(SIDES, st.integers(64 * 64, 2048 * 2048), st.sampled_from([1, 2, 16, 32]))
def test_a_size_is_no_larger_than_the_preset_in_whole_multiples(picture, area, multiple):
    width, height = size_from(picture, area, multiple)
    assert width * height <= area
    assert width % multiple == height % multiple == 0
    if width and height:
        assert width / height == pytest.approx(
            picture[0] / picture[1], rel=(multiple + 1) / width + (multiple + 1) / height + 0.01
        )


@given(SIDES, SIDES)
def test_a_crop_lies_in_the_picture_and_touches_two_sides(picture, shape):
    crop = crop_to(picture, shape)
    assert 1 <= crop[0] <= picture[0]
    assert 1 <= crop[1] <= picture[1]
    assert crop[0] == picture[0] or crop[1] == picture[1]


def fit(write, preset, *said, size=(1200, 800), **asked):
    """Fits pictures of that size in the roles `said`."""
    named = [(role, write(f"{role}-{n}.png", blank(*size))) for n, role in enumerate(said)]
    return fitted(preset, named, **asked)


def fitted(preset, named, **asked):
    pipeline = read_pipeline(preset.pipeline)
    return fit_inputs(read(preset, *named), preset, pipeline, preset.call, **asked)


def kept(one) -> tuple:
    return one.medium.crop, one.medium.size


FLUX = make_preset(
    "FluxImg2ImgPipeline", call={"height": 1024, "width": 1024, "num_inference_steps": 50}
)
INPAINT = make_preset(
    "FluxInpaintPipeline", call={"height": 1024, "width": 1024, "num_inference_steps": 50}
)
SDXL = make_preset(
    "StableDiffusionXLImg2ImgPipeline",
    call={"height": 1024, "width": 1024, "num_inference_steps": 50},
    limits={"size_multiple": 8},
)
UNSIZED = make_preset("StableDiffusionXLImg2ImgPipeline", call={"num_inference_steps": 50})
EDIT = make_preset("QwenImageEditPipeline", call={"num_inference_steps": 50})
FLUX2 = make_preset(
    "Flux2Pipeline",
    call={"height": 1024, "width": 1024, "num_inference_steps": 50},
    inputs={"image": {"several": True}},
)


def test_a_result_has_the_shape_of_its_picture(write):
    done = fit(write, FLUX, "image")
    assert (done.call["width"], done.call["height"]) == (1248, 832)
    assert kept(done.inputs[0]) == (None, None)
    assert done.notes == ("image-0.png is 1200x800: the result is 1248x832",)


def test_what_goes_beyond_the_shape_is_cropped_and_told(write):
    done = fit(write, FLUX, "image", size=(1200, 790))
    assert (done.call["width"], done.call["height"]) == (1248, 832)
    assert kept(done.inputs[0]) == ((1185, 790), None)
    note = "image-0.png is 1200x790: cropped to 1185x790, the result is 1248x832"
    assert done.notes == (note,)


def test_a_picture_of_the_right_size_needs_no_word(write):
    done = fit(write, FLUX, "image", size=(1024, 1024))
    assert (done.notes, kept(done.inputs[0])) == ((), (None, None))


def test_a_size_that_is_asked_for_wins_and_the_picture_is_cropped_around_its_centre(write):
    done = fit(write, FLUX, "image", width=512, height=512)
    assert (done.call["width"], done.call["height"]) == (512, 512)
    assert kept(done.inputs[0]) == ((800, 800), None)
    assert done.notes == ("image-0.png is 1200x800: cropped to 800x800",)


def test_the_other_side_follows_from_the_picture(write):
    done = fit(write, FLUX, "image", width=640)
    assert (done.call["width"], done.call["height"]) == (640, 432)
    done = fit(write, FLUX, "image", height=640)
    assert (done.call["width"], done.call["height"]) == (960, 640)


def test_mask_and_picture_are_cropped_alike_and_told_once(write):
    done = fit(write, INPAINT, "image", "mask", size=(1200, 790))
    assert [kept(one) for one in done.inputs] == [((1185, 790), None)] * 2
    assert sum("cropped" in note for note in done.notes) == 1


def test_a_last_picture_of_another_size_gets_the_shape_of_the_first(write):
    preset = make_video_preset(
        "WanImageToVideoPipeline",
        call={"height": 480, "width": 832, "num_frames": 81, "num_inference_steps": 50},
    )
    first = write("first.png", blank(1280, 720))
    last = write("last.png", blank(1000, 1000))
    done = fitted(preset, [("image", first), ("last-image", last)])
    assert (done.call["width"], done.call["height"]) == (832, 480)
    assert [kept(one) for one in done.inputs] == [((1248, 720), None), ((1000, 577), None)]
    assert done.notes[0] == ("first.png is 1280x720: cropped to 1248x720, the result is 832x480")
    assert done.notes[1] == "last.png is 1000x1000: cropped to 1000x577"


def test_a_pipeline_that_takes_the_size_from_the_picture_gets_it_scaled(write):
    done = fit(write, SDXL, "image", size=(4000, 3000))
    assert not {"width", "height"} & done.call.keys()
    crop, size = kept(done.inputs[0])
    assert size == (1176, 888)
    assert crop[0] / crop[1] == pytest.approx(1176 / 888, rel=0.001)
    done = fit(write, SDXL, "image", width=512, height=768)
    assert kept(done.inputs[0])[1] == (512, 768)
    assert not {"width", "height"} & done.call.keys()


def test_without_a_size_in_the_preset_such_a_pipeline_gets_the_picture_in_multiples(write):
    done = fit(write, UNSIZED, "image", size=(1205, 803))
    assert kept(done.inputs[0]) == ((1200, 800), None)
    assert done.notes == ("image-0.png is 1205x803: cropped to 1200x800",)


def test_a_pipeline_that_chooses_its_size_gets_the_whole_picture(write):
    done = fit(write, EDIT, "image", size=(1205, 803))
    assert (kept(done.inputs[0]), done.call, done.notes) == ((None, None), EDIT.call, ())


def test_references_stay_whole_and_the_first_says_the_shape(write):
    car = write("car.png", blank(1200, 790))
    hat = write("hat.png", blank(300, 700))
    done = fitted(FLUX2, [("image", car), ("image", hat)])
    assert [kept(one) for one in done.inputs] == [(None, None)] * 2
    assert (done.call["width"], done.call["height"]) == (1248, 832)


def test_references_of_a_video_do_not_say_its_shape(write):
    preset = make_video_preset("WanVACEPipeline", inputs={"image": {"several": True}})
    done = fit(write, preset, "image", size=(300, 700))
    assert done.call == preset.call


def test_a_picture_for_an_adapter_says_no_shape_and_stays_whole(write):
    preset = make_preset(
        "StableDiffusionXLControlNetPipeline",
        inputs={"image": {"argument": "ip_adapter_image"}, "control": {"argument": "image"}},
    )
    style = write("style.png", blank(300, 700))
    edges = write("edges.png", blank(64, 48))
    done = fitted(preset, [("image", style), ("control", edges)])
    assert (done.call["width"], done.call["height"]) == (64, 48)
    assert kept(done.inputs[0]) == (None, None)
    assert fitted(preset, [("image", style), ("control", style)]).inputs[0].medium.crop is None


def test_the_sides_of_a_video_are_even(write):
    preset = make_video_preset("WanImageToVideoPipeline", limits={"size_multiple": 1})
    done = fit(write, preset, "image", size=(77, 51))
    assert done.call["width"] % 2 == done.call["height"] % 2 == 0


def refusal(write, preset, size, **asked) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        fit(write, preset, "image", size=size, **asked)
    return spelled(caught.value)


LESS = "a result of that shape would be less than 16 pixels"
TOO_NARROW = "crop it, or say --width and --height"


@pytest.mark.parametrize(
    ("preset", "size", "asked", "message", "hint"),
    [
        (
            FLUX,
            (9000, 1),
            {},
            f"--image image-0.png is 9000x1: {LESS} high",
            TOO_NARROW,
        ),
        (
            FLUX,
            (30, 800),
            {"height": 160},
            f"--image image-0.png is 30x800: {LESS} wide",
            TOO_NARROW,
        ),
        (
            UNSIZED,
            (40, 9),
            {},
            f"--image image-0.png is 40x9: {LESS} high",
            TOO_NARROW,
        ),
        (
            FLUX2,
            (800, 50),
            {},
            "--image image-0.png is 800x50, but mine takes at least 64 pixels a side",
            "make it larger",
        ),
        (
            FLUX2,
            (900, 100),
            {},
            "--image image-0.png is 900x100, but mine takes at most 8:1",
            "crop it",
        ),
    ],
)
def test_a_picture_that_is_too_narrow_is_refused(write, preset, size, asked, message, hint):
    assert refusal(write, preset, size, **asked) == (message, hint)
