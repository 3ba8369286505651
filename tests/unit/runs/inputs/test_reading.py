"""Which files a pipeline takes, and what is said of those that are wrong."""

import hashlib

import pytest
from PIL import Image

from chords_cli.errors import UsageError
from chords_cli.pipelines.conditions.pictures import opened
from chords_cli.runs.inputs.inputs import in_call
from chords_cli.runs.inputs.reading import read_input
from tests.doubles import files
from tests.doubles.inputs import make_preset, make_video_preset, read, refusal, spelled

PICTURE = files.encoded(files.picture())
MASK = files.encoded(Image.new("L", (80, 60), 255))

EDIT = make_preset("FluxKontextPipeline")
INPAINT = make_preset("FluxInpaintPipeline", inputs={"image": {}, "mask": {}})
REFERENCES = make_preset("Flux2Pipeline", inputs={"image": {"several": True}})
CONTROL = make_preset(
    "StableDiffusionXLControlNetPipeline", inputs={"control": {"argument": "image"}}
)
FIRST_FRAME = make_video_preset("WanImageToVideoPipeline")
VACE = make_video_preset("WanVACEPipeline", inputs={"image": {"several": True, "required": False}})


def test_a_file_is_read_once_with_what_it_holds(write):
    write("photo.png", PICTURE)
    (one,) = read(EDIT, ("image", "photo.png"))
    assert (one.role, one.argument, one.path.name) == ("image", "image", "photo.png")
    assert (one.size, one.frames, one.pace, one.notes) == ((80, 60), 1, None, ())
    assert one.medium.sha256 == hashlib.sha256(PICTURE).hexdigest()
    assert in_call((one,), EDIT) == {"image": one.medium}


def test_notes_begin_with_the_file(write):
    write("film.jpg", files.encoded(files.picture().convert("CMYK"), "JPEG"))
    (one,) = read(EDIT, ("image", "film.jpg"))
    assert one.notes == ("film.jpg is CMYK: its colours become RGB without its profile",)


def test_a_mask_is_grey_in_the_call(write):
    write("photo.png", PICTURE)
    write("mask.png", MASK)
    inputs = read(INPAINT, ("image", "photo.png"), ("mask", "mask.png"))
    call = opened(in_call(inputs, INPAINT))
    assert (call["image"].mode, call["mask_image"].mode) == ("RGB", "L")


def test_several_references_are_a_list_in_their_order(write):
    names = [write(f"{n}.png", files.encoded(files.picture(60 + n, 60))) for n in range(3)]
    inputs = read(REFERENCES, *(("image", name) for name in names))
    pictures = opened(in_call(inputs, REFERENCES))["image"]
    assert [picture.width for picture in pictures] == [60, 61, 62]
    (one,) = read(REFERENCES, ("image", "1.png"))
    assert len(in_call((one,), REFERENCES)["image"]) == 1


def test_a_role_with_an_argument_of_another_name_is_taken(write):
    (one,) = read(CONTROL, ("control", write("edges.png", PICTURE)))
    assert one.argument == "image"
    assert refusal(CONTROL, ("image", "edges.png")) == (
        "mine takes no --image: StableDiffusionXLControlNetPipeline starts from other files",
        "it takes --control",
    )


def test_an_animation_is_taken_as_a_video(write):
    (one,) = read(VACE, ("video", write("walk.gif", files.animation())))
    assert (one.frames, one.pace, one.medium.several_frames) == (5, 10.0, True)


def test_a_mask_of_a_video_may_stand_for_all_frames(write):
    write("walk.mp4", files.video())
    write("mask.png", files.encoded(Image.new("L", (64, 48), 255)))
    inputs = read(VACE, ("video", "walk.mp4"), ("mask", "mask.png"))
    assert [one.frames for one in inputs] == [9, 1]


NOT_TAKEN = {
    "no role at all": (
        make_preset("FluxPipeline"),
        ("image",),
        "mine takes no --image: FluxPipeline starts from the prompt alone",
        "leave out --image, or name another model",
    ),
    "another role": (
        make_preset("FluxControlPipeline"),
        ("mask",),
        "mine takes no --mask: FluxControlPipeline starts from other files",
        "it takes --control",
    ),
    "a last picture": (
        EDIT,
        ("image", "last-image"),
        "mine takes no --last-image: FluxKontextPipeline starts from other files",
        "it takes --image",
    ),
    "two where one is taken": (
        EDIT,
        ("image", "image"),
        "mine takes one --image, not 2",
        "give one; for several results run it once for each",
    ),
    "none of a role that the preset requires": (
        INPAINT,
        ("image",),
        "mine starts from a mask, and none is given",
        "name one with --mask FILE",
    ),
    "none of a role that the pipeline requires": (
        FIRST_FRAME,
        (),
        "mine starts from a picture, and none is given",
        "name one with --image FILE",
    ),
}


@pytest.mark.parametrize(("preset", "roles", "message", "hint"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_roles_are_checked_before_a_file_is_opened(preset, roles, message, hint):
    assert refusal(preset, *((role, "missing.png") for role in roles)) == (message, hint)


def test_a_role_that_the_preset_calls_optional_may_be_left_out():
    assert read(make_preset("FluxInpaintPipeline", inputs={"mask": {"required": False}})) == ()
    assert read(make_preset("FluxPipeline")) == ()


NAMES = "name a PNG, JPEG or WebP picture, or an MP4, WebM or GIF for a model that takes a video"

WRONG = {
    "nothing in it": ("photo.png", lambda: b"", "--image photo.png is empty", NAMES),
    "text": ("notes.png", lambda: b"a heart\n", "--image notes.png is text and no picture", NAMES),
    "an archive": (
        "photos.zip",
        lambda: b"PK\x03\x04\x14\0\0\0\x08\0",
        "--image photos.zip is neither a picture nor a video that is known here",
        NAMES,
    ),
    "half a download": (
        "photo.jpg",
        lambda: files.cut(files.encoded(files.picture(), "JPEG")),
        "--image photo.jpg is a damaged JPEG file (image file is truncated (",
        "save or download it again",
    ),
    "an animation": (
        "walk.gif",
        files.animation,
        "--image walk.gif has 5 frames, but mine takes a picture there",
        "take one of them: ffmpeg -i walk.gif -frames:v 1 first.png",
    ),
    "a video": (
        "a walk.mp4",
        files.video,
        "--image a walk.mp4 has 9 frames, but mine takes a picture there",
        "take one of them: ffmpeg -i 'a walk.mp4' -frames:v 1 first.png",
    ),
    "a video with a bad frame": (
        "a walk.mp4",
        lambda: files.damaged(files.video()),
        "--image a walk.mp4 is damaged (",
        "save or download it again, or convert it: ffmpeg -i 'a walk.mp4' -fps_mode cfr new.mp4",
    ),
    "another name than it is": (
        "{walk}.png",
        files.uneven_video,
        "--image {walk}.png has no even frame rate: its frames last 125 to 1125 ms",
        "convert it: ffmpeg -i '{walk}.png' -fps_mode cfr -r 8 new.mp4",
    ),
    "sound": (
        "song.mp4",
        files.sound,
        "--image song.mp4 holds no pictures",
        "name a video that plays",
    ),
}


@pytest.mark.parametrize(("name", "make", "message", "hint"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_said_in_a_line_with_what_to_do(write, name, make, message, hint):
    said = refusal(EDIT, ("image", write(name, make())))
    assert said[0].startswith(message)
    assert said[1] == hint


def test_a_picture_is_no_video(write):
    said = refusal(VACE, ("video", write("photo.png", PICTURE)))
    assert said == (
        "--video photo.png is a picture, but mine takes a video there",
        "name a video, or a model that starts from a picture",
    )


MASKS = {
    "another size": (
        files.encoded(Image.new("L", (60, 80), 255)),
        "--mask mask.png is 60x80, but --image photo.png is 80x60",
        "make the mask as large as what it masks",
    ),
    "dark everywhere": (
        files.encoded(Image.new("L", (80, 60), 0)),
        "--mask mask.png is dark everywhere",
        "paint white what is to be changed",
    ),
}


@pytest.mark.parametrize(("mask", "message", "hint"), MASKS.values(), ids=MASKS)
def test_a_mask_fits_its_picture(write, mask, message, hint):
    write("photo.png", PICTURE)
    write("mask.png", mask)
    assert refusal(INPAINT, ("image", "photo.png"), ("mask", "mask.png")) == (message, hint)


def test_a_turned_picture_is_as_large_as_it_is_seen(write):
    write("photo.jpg", files.turned("JPEG", 6))
    write("mask.png", files.encoded(Image.new("L", (60, 80), 255)))
    inputs = read(INPAINT, ("image", "photo.jpg"), ("mask", "mask.png"))
    assert inputs[0].size == inputs[1].size == (60, 80)


def test_a_mask_masks_something(write):
    alone = make_preset("FluxInpaintPipeline")
    assert refusal(alone, ("mask", write("mask.png", MASK))) == (
        "--mask mask.png is given without what it masks",
        "name that with --image FILE",
    )
    assert refusal(VACE, ("mask", "mask.png"), ("image", write("who.png", PICTURE))) == (
        "--mask mask.png is given without what it masks",
        "name that with --video FILE",
    )


def test_masks_of_a_video_are_as_many_as_its_frames(write):
    write("walk.mp4", files.video())
    write("masks.mp4", files.video(5))
    assert refusal(VACE, ("video", "walk.mp4"), ("mask", "masks.mp4")) == (
        "--mask masks.mp4 has 5 frames, but --video walk.mp4 has 9",
        "make one mask for each frame, or one for all",
    )


def test_an_input_is_found_where_the_pipeline_has_no_source(write):
    from chords_cli.runs.inputs.reading import read_inputs

    (one,) = read_inputs([("image", write("photo.png", PICTURE))], EDIT, None)
    assert one.argument == "image"


def test_python_names_the_argument():
    with pytest.raises(UsageError) as caught:
        read_input("last-image", "gone.png", argument="last_image", several_frames=False)
    assert str(caught.value) == "last_image gone.png does not exist"
    assert spelled(caught.value)[0] == "--last-image gone.png does not exist"
