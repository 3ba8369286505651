"""What a file holds, and that the check and the core see the same pixels."""

import hashlib
import io
import sys

import numpy as np
import pytest
from diffusers.utils import load_image, load_video
from PIL import Image

from chords_cli.errors import UsageError
from chords_cli.pipelines.conditions import pictures
from chords_cli.pipelines.conditions.pictures import (
    KINDS,
    Medium,
    examine,
    has_pictures,
    opened,
    read_frames,
)
from tests.doubles import files


def medium(data: bytes, **said: object) -> Medium:
    return Medium(sha256=hashlib.sha256(data).hexdigest(), data=data, **said)


def seen(data: bytes, **said: object):
    """What a pipeline gets of a file."""
    return opened({"image": medium(data, **said)})["image"]


def heic() -> bytes:
    import pillow_heif

    return _bytes(pillow_heif.from_pillow(files.picture()))


def _bytes(heif) -> bytes:
    file = io.BytesIO()
    heif.save(file, quality=90)
    return file.getvalue()


LIKE_DIFFUSERS = {
    "png": files.encoded(files.picture()),
    "jpeg": files.encoded(files.picture(), "JPEG"),
    "webp": files.encoded(files.picture(), "WEBP"),
    "tiff": files.encoded(files.picture(), "TIFF"),
    "bmp": files.encoded(files.picture(), "BMP"),
    "avif": files.encoded(files.picture(), "AVIF"),
    "jpeg 2000": files.encoded(files.picture(), "JPEG2000"),
    "ppm": files.encoded(files.picture(), "PPM"),
    "gif": files.encoded(files.picture(), "GIF"),
    "palette": files.encoded(files.picture().convert("P")),
    "1 bit": files.encoded(files.picture().convert("1")),
    "grey": files.encoded(files.picture().convert("L"), "JPEG"),
    "cmyk": files.encoded(files.picture().convert("CMYK"), "JPEG"),
    "opaque": files.encoded(files.picture().convert("RGBA")),
    "turned right": files.turned("JPEG", 6),
    "turned left": files.turned("PNG", 8),
    "mirrored": files.turned("WEBP", 5),
    "turned tiff": files.turned("TIFF", 6),
}


@pytest.mark.parametrize("data", LIKE_DIFFUSERS.values(), ids=LIKE_DIFFUSERS)
def test_a_picture_has_the_pixels_that_diffusers_reads(data, tmp_path):
    (tmp_path / "file").write_bytes(data)
    stock, ours = load_image(str(tmp_path / "file")), seen(data)
    assert ours.mode == "RGB"
    assert examine(data).size == ours.size == stock.size
    assert np.array_equal(ours, stock)


@pytest.mark.parametrize(("format", "orientation"), [("JPEG", 6), ("PNG", 8), ("TIFF", 8)])
def test_a_turned_picture_is_upright(format, orientation):
    content = examine(files.turned(format, orientation))
    assert (content.size, content.frames, content.pace, content.notes) == ((60, 80), 1, None, ())


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_a_grey_picture_of_16_bits_keeps_its_shades(format):
    shades = np.asarray(seen(files.grey16(format=format)))[0, :, 1]
    assert shades.tolist() == np.round(np.linspace(0, 255, 80)).astype(int).tolist()


def test_a_heic_picture_is_read():
    assert examine(heic()).size == (80, 60)
    assert np.abs(np.asarray(seen(heic())).astype(int) - files.picture()).mean() < 20


def test_what_is_transparent_lies_on_white_not_on_the_colours_below():
    image = files.picture().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size).point(lambda v: v // 128 * 255))
    note = "is transparent in places: white is put behind it"
    for data in (files.encoded(image), files.encoded(image, "WEBP", lossless=True)):
        assert examine(data).notes == (note,)
        assert seen(data).getpixel((40, 5)) == (255, 255, 255)
        assert seen(data).getpixel((40, 55)) == files.picture().getpixel((40, 55))


def test_a_transparent_colour_of_a_palette_is_white():
    image = files.picture().convert("P")
    data = files.encoded(image, transparency=image.getpixel((3, 3)))
    assert seen(data).getpixel((3, 3)) == (255, 255, 255)


def test_it_is_told_that_a_profile_of_cmyk_is_not_used():
    notes = examine(LIKE_DIFFUSERS["cmyk"]).notes
    assert notes == ("is CMYK: its colours become RGB without its profile",)


def test_a_mask_is_grey_and_nothing_is_made_where_it_is_transparent():
    image = Image.new("RGBA", (80, 60), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (10, 10, 30, 30))
    mask = seen(files.encoded(image), mask=True)
    assert mask.mode == "L"
    assert (mask.getpixel((20, 20)), mask.getpixel((50, 50))) == (255, 0)
    note = "is transparent in places: black is put behind it"
    assert examine(files.encoded(image), mask=True).notes == (note,)


def test_a_coloured_mask_is_told():
    notes = examine(files.encoded(files.picture()), mask=True).notes
    assert notes == ("is coloured: only how light it is counts, and red and blue are dark",)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_its_frames(format):
    data = files.animation(format)
    content = examine(data)
    assert (content.size, content.frames, content.pace) == ((80, 60), 5, 10.0)
    frames = seen(data, several_frames=True)
    assert [frame.size for frame in frames] == [(80, 60)] * 5
    assert not np.array_equal(frames[0], frames[1])


def test_a_gif_has_the_frames_that_diffusers_reads(tmp_path):
    data = files.animation()
    (tmp_path / "moves.gif").write_bytes(data)
    stock = [frame.convert("RGB") for frame in load_video(str(tmp_path / "moves.gif"))]
    assert np.array_equal(list(map(np.asarray, read_frames(data))), list(map(np.asarray, stock)))


def test_a_picture_of_a_phone_with_another_view_in_it_is_a_picture():
    views = [files.picture(), files.picture().rotate(180)]
    data = files.encoded(views[0], "MPO", save_all=True, append_images=views[1:])
    assert examine(data).frames == 1


def test_an_animated_png_does_not_begin_with_the_picture_for_old_viewers():
    frames = [files.picture().rotate(90 * n) for n in range(3)]
    data = files.encoded(
        Image.new("RGB", (80, 60)),
        save_all=True,
        default_image=True,
        append_images=frames,
        duration=100,
    )
    assert [frame.getextrema()[0][1] > 0 for frame in read_frames(data)] == [True] * 3
    assert examine(data).frames == 3


def test_a_video_has_the_frames_that_diffusers_reads(tmp_path):
    (tmp_path / "walk.mp4").write_bytes(files.video())
    stock = load_video(str(tmp_path / "walk.mp4"))
    ours = seen(files.video(), several_frames=True)
    assert np.array_equal(list(map(np.asarray, ours)), list(map(np.asarray, stock)))
    assert (examine(files.video()).frames, examine(files.video()).pace) == (9, 8.0)


@pytest.mark.parametrize("depth", ["yuv420p10le", "yuv444p", "gray"])
def test_videos_of_other_depths_are_read_in_eight_bits(depth):
    frames = seen(files.converted(files.video(), "-pix_fmt", depth), several_frames=True)
    assert [(frame.size, frame.mode) for frame in frames] == [((64, 48), "RGB")] * 9


@pytest.mark.parametrize("ending", ["mkv", "webm", "avi", "mov", "ts"])
def test_videos_of_other_kinds_are_read(ending):
    content = examine(files.converted(files.video(), ending=ending))
    assert (content.size, content.frames) == ((64, 48), 9)
    assert content.pace == pytest.approx(8, rel=0.01)


def test_a_turned_video_is_upright():
    data = files.converted(files.video(), "-c", "copy", before=("-display_rotation", "90"))
    assert examine(data).size == (48, 64)
    assert next(read_frames(data)).size == (48, 64)


def test_a_picture_stands_still_where_a_video_is_taken():
    frames = seen(files.encoded(files.picture()), several_frames=True, frames=5)
    assert [frame.size for frame in frames] == [(80, 60)] * 5


def test_a_video_ends_where_the_pipeline_wants_no_more_frames():
    frames = seen(files.video(), several_frames=True, frames=5)
    every = seen(files.video(), several_frames=True)
    assert (len(frames), len(every)) == (5, 9)
    assert np.array_equal(frames[4], every[4])


def test_a_mask_for_a_video_is_a_list_of_greys():
    masks = seen(files.video(), several_frames=True, mask=True)
    assert [mask.mode for mask in masks] == ["L"] * 9


def test_several_files_are_a_list_and_other_arguments_stay():
    data = files.encoded(files.picture())
    call = {"image": (medium(data), medium(data, crop=(10, 10))), "strength": 0.6, "sigmas": (1, 0)}
    sizes = [image.size for image in opened(call)["image"]]
    assert sizes == [(80, 60), (10, 10)]
    assert opened(call)["sigmas"] == (1, 0)
    assert has_pictures(call)
    assert not has_pictures({"strength": 0.6})


def test_a_picture_is_cropped_around_its_centre_without_touching_pixels():
    cropped = seen(files.encoded(files.picture(81, 60)), crop=(64, 48))
    assert np.array_equal(cropped, files.picture(81, 60).crop((8, 6, 72, 54)))


def test_a_picture_is_scaled_after_it_is_cropped():
    scaled = seen(files.encoded(files.picture()), crop=(64, 48), size=(32, 24))
    kept = files.picture().crop((8, 6, 72, 54))
    assert np.array_equal(scaled, kept.resize((32, 24), Image.Resampling.LANCZOS))


def test_equal_bytes_are_equal_arguments():
    data = files.encoded(files.picture())
    assert medium(data) == medium(bytes(data))
    assert medium(data) != medium(data, crop=(64, 48))
    assert str(data) not in repr(medium(data))


def refusal(data: bytes, **said: object) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        examine(data, **said)
    return caught.value.message, caught.value.hint


AGAIN = "save or download it again"
ANEW = "convert it: ffmpeg -i FILE -fps_mode cfr new.mp4"

BAD = {
    "empty": (b"", "is empty", f"name {KINDS}"),
    "text": (b"a red heart\n", "is text and no picture", f"name {KINDS}"),
    "svg": (b'<svg width="9"></svg>', "is text and no picture", f"name {KINDS}"),
    "playlist": (b"#EXTM3U\n#EXTINF:9,\na.ts\n", "is text and no picture", f"name {KINDS}"),
    "archive": (
        b"PK\x03\x04\x14\0\0\0",
        "is neither a picture nor a video that is known here",
        f"name {KINDS}",
    ),
    "truncated png": (
        files.cut(files.encoded(files.picture())),
        "is a damaged PNG file (image file is truncated",
        AGAIN,
    ),
    "truncated jpeg": (
        files.cut(files.encoded(files.picture(), "JPEG")),
        "is a damaged JPEG file (image file is truncated",
        AGAIN,
    ),
    "truncated webp": (
        files.cut(files.encoded(files.picture(), "WEBP")),
        "is a damaged WebP file (could not create decoder object)",
        AGAIN,
    ),
    "beginning of a jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "is a damaged JPEG file", AGAIN),
    "changed png": (
        files.damaged(files.encoded(files.picture())),
        "is a damaged PNG file (broken",
        AGAIN,
    ),
    "truncated animation": (
        files.cut(files.animation()),
        "is a damaged GIF file (image file is truncated",
        AGAIN,
    ),
    "truncated video": (lambda: files.cut(files.video()), "is damaged (", f"{AGAIN}, or {ANEW}"),
    "video with a bad frame": (
        lambda: files.damaged(files.video()),
        "is damaged (",
        f"{AGAIN}, or {ANEW}",
    ),
    "sound": (files.sound, "holds no pictures", "name a video that plays"),
    "video that stands still": (
        files.uneven_video,
        "has no even frame rate: its frames last 125 to 1125 ms",
        ANEW.replace("cfr", "cfr -r 8"),
    ),
    "animation that stands still": (
        files.animation("GIF", duration=[40, 40, 900, 40, 40]),
        "has no even frame rate: its frames last 40 to 900 ms",
        ANEW.replace("cfr", "cfr -r 25"),
    ),
    "fractions": (
        files.encoded(Image.fromarray(np.linspace(0, 1, 9, dtype=np.float32)[None]), "TIFF"),
        "has fractions as its pixels, from 0 to 1",
        "save it with 8 or 16 bits a channel",
    ),
    "large numbers": (
        files.encoded(Image.fromarray(np.array([[-1, 70000]], dtype=np.int32)), "TIFF"),
        "has 32-bit numbers as its pixels, from -1 to 70000",
        "save it with 8 or 16 bits a channel",
    ),
    "pages": (
        files.encoded(
            files.picture(), "TIFF", save_all=True, append_images=[files.picture(40, 40)]
        ),
        "has frames of several sizes, 80x60 and 40x40",
        "make them of one size",
    ),
}


@pytest.mark.parametrize(("data", "message", "hint"), BAD.values(), ids=BAD)
def test_what_is_wrong_with_a_file_is_said_in_a_line(data, message, hint):
    said = refusal(data() if callable(data) else data)
    assert said[0].startswith(message)
    assert "\n" not in said[0]
    assert "object at" not in said[0]
    assert said[1] == hint


def test_a_picture_that_is_too_large_is_refused_by_its_pixels(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    data = files.encoded(Image.new("1", (3000, 1000)))
    assert refusal(data) == ("has 3 megapixels, but at most 2 are read", "make it smaller")


def test_a_large_picture_is_read_without_a_warning(monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    assert seen(files.encoded(files.picture()), crop=(79, 59)).size == (79, 59)
    assert not recwarn.list


def test_too_many_frames_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_FRAMES", 4)
    message, hint = refusal(files.animation())
    assert message == "has more than 4 frames"
    assert hint == "cut it: ffmpeg -i FILE -frames:v 81 short.mp4"


def test_a_mask_that_leaves_all_as_it_is_is_refused():
    data = files.encoded(Image.new("L", (80, 60), 100))
    assert refusal(data, mask=True) == ("is dark everywhere", "paint white what is to be changed")
    assert examine(data).size == (80, 60)


def test_heic_without_its_package_is_refused_with_its_name(monkeypatch):
    data = heic()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    message, hint = refusal(data)
    assert message == "is HEIC, which needs pillow-heif, and that is not installed"
    assert hint == 'pip install "chords-cli[heic]", or save it as JPEG'


def test_a_format_that_this_pillow_was_built_without_is_refused(monkeypatch):
    data = LIKE_DIFFUSERS["avif"]
    monkeypatch.delitem(Image.OPEN, "AVIF")
    monkeypatch.setattr(Image, "init", lambda: None)
    message, hint = refusal(data)
    assert message == "is AVIF, which the installed Pillow cannot read"
    assert hint == "save it as PNG"
