"""Videos as files: what an MP4 or a GIF gives back of frames and texts."""

import re
import subprocess

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from chords_cli.errors import ChordsError, UsageError
from chords_cli.media import videos
from chords_cli.media.metadata import find_metadata, read_metadata, sidecar_bytes, video_tags
from chords_cli.media.videos import gif_bytes, mp4_bytes, read_tags
from tests.doubles.colours import COLOURS, SIZES, centres, patches

DOCUMENT = {
    "version": "0.1.0",
    "preset": "toy",
    "prompt": "a café; key=value # \\ 'quoted' \"twice\"\n一只猫",
    "algo": "chords",
    "steps": 50,
    "cores": 4,
    "init_t": [0, 8, 16, 32],
    "seed": 42,
    "call": {"guidance_scale": 3.5, "width": 64, "height": 48, "num_frames": 7},
    "output": {"index": 1, "core": 3},
}


def moving_colours(count=7, height=48, width=64):
    """Frames of smooth colours that drift: what H.264 keeps well."""
    frame, row, column = np.mgrid[0:count, 0:height, 0:width]
    waves = [np.sin((column + 4 * frame) / 14), np.cos((row - 3 * frame) / 11), np.sin(frame / 2)]
    shaped = [np.broadcast_to(wave, frame.shape) for wave in waves]
    return (127.5 + 120 * np.stack(shaped, axis=-1)).astype(np.uint8)


FRAMES = moving_colours()


@pytest.fixture
def write(tmp_path):
    def write_file(data, name="a.mp4"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write_file


def test_frames_come_back_within_the_error_of_compression(write):
    found = iio.imread(write(mp4_bytes(FRAMES, 16, {})))
    assert found.shape == FRAMES.shape
    error = np.abs(found.astype(int) - FRAMES)
    assert error.mean() < 3
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 4


def decoded(path, *, size, told=""):
    """The second frame, read by ffmpeg, which may be told to forget what the file says."""
    line = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    line += ["-vf", told or "null", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(line, capture_output=True, check=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(-1, size[1], size[0], 3)[1]


def off(frame, size):
    """How far the middle of the worst patch is from its colour."""
    found = np.array([frame[y, x] for x, y in centres(*size)]).astype(int)
    return np.abs(found - COLOURS).max()


@pytest.mark.parametrize("size", SIZES)
def test_colours_are_those_of_the_pixels_at_every_size(write, size):
    path = write(mp4_bytes(patches(*size), 16, {}))
    assert off(iio.imread(path)[1], size) <= 4
    assert off(decoded(path, size=size), size) <= 4
    assert off(decoded(path, size=size, told="scale=in_color_matrix=bt601"), size) > 15


@pytest.mark.parametrize("size", SIZES)
def test_a_video_says_by_what_its_colours_are_to_be_read(write, size):
    path = write(mp4_bytes(patches(*size), 16, {}))
    line = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)]
    told = subprocess.run(line, capture_output=True, check=False).stderr.decode()
    assert re.search(r"yuv420p\(tv, bt709[,)]", told)  # one name for matrix, primaries, transfer


@pytest.mark.parametrize("fps", [1, 16, 24])
def test_a_video_runs_at_its_frames_per_second(write, fps):
    meta = iio.immeta(write(mp4_bytes(FRAMES, fps, {})))
    assert meta["fps"] == fps
    assert meta["duration"] == pytest.approx(len(FRAMES) / fps, abs=0.02)
    assert (meta["codec"], meta["pix_fmt"].split("(")[0]) == ("h264", "yuv420p")


def test_a_single_frame_makes_a_video(write):
    assert iio.imread(write(mp4_bytes(FRAMES[:1], 8, {}))).shape == (1, 48, 64, 3)


def test_a_document_comes_back_from_an_mp4_as_it_was(write):
    path = write(mp4_bytes(FRAMES, 16, video_tags(DOCUMENT)))
    assert read_metadata(path) == DOCUMENT


def test_people_find_the_prompt_as_title_and_the_settings_as_comment(write):
    tags = read_tags(write(mp4_bytes(FRAMES, 16, video_tags(DOCUMENT))))
    assert tags["title"] == DOCUMENT["prompt"]
    assert tags["comment"].endswith(
        "Steps: 50, Sampler: chords, CFG scale: 3.5, Seed: 42, Size: 64x48, Frames: 7, Model: toy, "
        "Cores: 4, Starts: 0-8-16-32, Output: 1, Version: chords 0.1.0"
    )


def test_a_document_comes_back_from_a_gif_and_from_a_sidecar(write):
    comment = video_tags(DOCUMENT)["chords"]
    assert read_metadata(write(gif_bytes(FRAMES, 16, comment), "a.gif")) == DOCUMENT
    assert read_metadata(write(sidecar_bytes(DOCUMENT), "a.json")) == DOCUMENT


def test_a_gif_holds_every_frame_and_loops(write):
    with Image.open(write(gif_bytes(FRAMES, 10), "a.gif")) as picture:
        assert (picture.n_frames, picture.size) == (7, (64, 48))
        assert (picture.info["duration"], picture.info["loop"]) == (100, 0)
        found = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(found - FRAMES[0]).mean() < 12


@pytest.mark.parametrize(("rate", "milliseconds"), [(16, 440), (24, 290), (30, 230), (60, 140)])
def test_a_gif_has_the_pace_of_its_video_up_to_50_frames_a_second(write, rate, milliseconds):
    with Image.open(write(gif_bytes(FRAMES, rate), "a.gif")) as picture:
        lasting = [frame.info["duration"] for frame in ImageSequence.Iterator(picture)]
    assert (len(lasting), sum(lasting)) == (len(FRAMES), milliseconds)
    assert min(lasting) >= 20


def test_nothing_is_said_where_no_texts_are_given(write):
    assert set(read_tags(write(mp4_bytes(FRAMES, 16, {})))).isdisjoint({"chords", "title"})
    assert find_metadata(write(mp4_bytes(FRAMES, 16, {}))) is None
    assert find_metadata(write(gif_bytes(FRAMES, 16), "a.gif")) is None


def test_a_character_that_ends_texts_elsewhere_is_left_out_of_tags(write):
    assert read_tags(write(mp4_bytes(FRAMES, 16, {"title": "a\0b"})))["title"] == "ab"


def test_equal_frames_and_texts_give_equal_bytes():
    tags = video_tags(DOCUMENT)
    assert mp4_bytes(FRAMES, 16, tags) == mp4_bytes(FRAMES, 16, tags)
    assert gif_bytes(FRAMES, 16) == gif_bytes(FRAMES, 16)


def test_no_metadata_is_found_in_what_is_no_video(write):
    for name in ("a.mp4", "a.json", "a.gif", "a.safetensors"):
        assert find_metadata(write(b"nothing of the kind", name)) is None


def test_an_encoder_that_refuses_is_an_error_with_its_reason(monkeypatch):
    monkeypatch.setattr(videos, "_ENCODING", ["-crf", "no-number"])
    with pytest.raises(ChordsError, match=r"not be encoded: .*no-number") as caught:
        mp4_bytes(FRAMES, 16, {})
    assert caught.value.hint == "reinstall imageio-ffmpeg, which brings the encoder"


def test_a_prompt_longer_than_a_command_line_is_a_tag_like_any_other(write):
    document = DOCUMENT | {"prompt": "a very long story; " * 9000}
    path = write(mp4_bytes(FRAMES[:1], 16, video_tags(document)))
    assert read_metadata(path) == document


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, r"(?m)^ffmpeg cannot be run from .*absent: No such file or directory$"),
        ("exit 1", "(?m)^the ffmpeg of this machine has no encoder libx264$"),
    ],
)
def test_an_encoder_that_is_missing_is_found_before_anything_starts(
    script, message, tmp_path, monkeypatch
):
    program = tmp_path / ("absent" if script is None else "ffmpeg")
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    videos.check_encoder.cache_clear()
    with pytest.raises(UsageError, match=message) as caught:
        videos.check_encoder()
    assert "imageio-ffmpeg" in caught.value.hint
    monkeypatch.undo()
    videos.check_encoder()
