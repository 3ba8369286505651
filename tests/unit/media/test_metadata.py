import numpy as np
import pytest
from PIL import Image

from chords_cli.cli.options import as_option
from chords_cli.engine.messages import Latent
from chords_cli.errors import UsageError
from chords_cli.media.images import png_bytes
from chords_cli.media.latents import latent_bytes
from chords_cli.media.metadata import file_texts, find_metadata, read_metadata

FRAME = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
DOCUMENT = {
    "version": "0.1.0",
    "preset": "toy",
    "prompt": "a café, 一只猫",
    "algo": "chords",
    "steps": 50,
    "cores": 4,
    "init_t": [0, 8, 16, 32],
    "seed": 42,
    "call": {"guidance_scale": 3.5, "negative_prompt": "blur", "width": 3, "height": 2},
    "output": {"index": 1, "core": 3},
}


def refusal(path):
    with pytest.raises(UsageError) as caught:
        read_metadata(path)
    return caught.value.spelled(as_option)


def write_png(path, texts):
    path.write_bytes(png_bytes(FRAME, texts))
    return path


def test_pixels_come_back_from_a_png_as_they_were(tmp_path):
    with Image.open(write_png(tmp_path / "a.png", file_texts(DOCUMENT))) as picture:
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture), FRAME)


def test_a_document_comes_back_from_a_png_as_it_was(tmp_path):
    path = write_png(tmp_path / "a.png", file_texts(DOCUMENT))
    assert read_metadata(path) == DOCUMENT
    assert find_metadata(path) == DOCUMENT


def test_a_document_comes_back_from_a_latents_file(tmp_path):
    path = tmp_path / "a.safetensors"
    texts = {"chords": file_texts(DOCUMENT)["chords"]}
    path.write_bytes(latent_bytes(Latent("float32", (1,), b"\0" * 4), texts))
    assert find_metadata(path) == DOCUMENT


def test_people_and_galleries_find_prompt_and_settings_as_text(tmp_path):
    with Image.open(write_png(tmp_path / "a.png", file_texts(DOCUMENT))) as picture:
        info = picture.info
    assert info["Description"] == "a café, 一只猫"
    assert info["Software"] == "chords 0.1.0"
    assert info["parameters"] == (
        "a café, 一只猫\n"
        "Negative prompt: blur\n"
        "Steps: 50, Sampler: chords, CFG scale: 3.5, Seed: 42, Size: 3x2, Model: toy, Cores: 4, "
        "Starts: 0-8-16-32, Output: 1, Version: chords 0.1.0"
    )


def test_equal_frames_and_texts_give_equal_bytes():
    assert png_bytes(FRAME, file_texts(DOCUMENT)) == png_bytes(FRAME, file_texts(DOCUMENT))


def test_a_missing_metadata_file_is_refused(tmp_path):
    path = tmp_path / "no.png"
    assert refusal(path) == (
        f"metadata file {path} does not exist",
        "name a PNG, MP4 or JSON file that chords made",
    )


def test_a_metadata_file_that_is_no_picture_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("not a picture")
    assert refusal(path) == (
        f"{path} is not a picture or video",
        "name a PNG, MP4 or JSON file that chords made",
    )


@pytest.mark.parametrize("texts", [{}, {"chords": "{"}, {"chords": "[1]"}, {"Title": "x"}])
def test_a_picture_without_our_metadata_is_refused(tmp_path, texts):
    path = write_png(tmp_path / "a.png", texts)
    assert refusal(path) == (
        f"{path} holds no chords metadata",
        "name a PNG, MP4 or JSON file that chords made without --no-metadata",
    )


def test_nothing_is_found_in_a_file_that_is_not_there(tmp_path):
    assert find_metadata(tmp_path / "no.png") is None
    assert find_metadata(tmp_path / "no.safetensors") is None
