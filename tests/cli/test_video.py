"""`chords video` as a user runs it: real cores, real files, a tiny Wan."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from chords_cli.media.metadata import read_metadata
from chords_cli.media.videos import read_tags
from tests.doubles import tiny

PRESET = """
name: tiny-video
title: Tiny random Wan
kind: video
path: {folder}
pipeline: WanPipeline
dtype: float32
license: {{name: MIT}}
call:
  height: 32
  width: 48
  num_frames: 9
  num_inference_steps: 8
  guidance_scale: 5.0
  negative_prompt: ""
  max_sequence_length: 16
fps: 6
limits: {{frames: {{multiple: 4, offset: 1}}}}
sampling: {{cores: 2}}
prompts: [a horse]
"""

TINY = ("--model", "tiny-video", "--devices", "cpu")
CAT = "0001-a-cat-s42"
EXACT = f"{CAT}-output2-core0"
EVERY_KIND = ["gif", "json", "mp4", "png", "safetensors"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module", autouse=True)
def _tiny_video(home, tmp_path_factory):
    """Makes `--model tiny-video` a preset of the user's own."""
    folder = tmp_path_factory.mktemp("wan")
    tiny.BUILDERS["wan"]().save_pretrained(folder)
    presets = Path(home["XDG_CONFIG_HOME"], "chords", "presets")
    (presets / "tiny-video.yaml").write_text(PRESET.format(folder=folder))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def full(command, place):
    """Every output of two cores, with everything that can stand beside a video."""
    options = ("--cores", 2, "--all-cores", "--save-latents", "--gif", "--json", "--output", "full")
    command("video", "a cat", *TINY, *options, cwd=place)
    return place / "full"


@pytest.fixture(scope="module")
def short(forked, place):
    """Fewer frames at another pace, on one core, saying nothing about itself."""
    options = ("--frames", 5, "--fps", 8, "--cores", 1, "--no-metadata", "--quiet")
    return forked("video", "a cat", *TINY, *options, "--output", "short", cwd=place)


@pytest.fixture
def dry(command, place):
    """The document of a dry run with these options."""

    def run(*options):
        return json.loads(command("video", *options, "--dry-run", "--json", cwd=place).out)

    return run


@pytest.fixture
def refused(command, place):
    """Message and hint with which these options are refused; nothing may be written."""

    def run(*options):
        before = names(place)
        done = command("video", *options, "--json", cwd=place, code=2)
        assert (names(place), done.err) == (before, "")
        return tuple(json.loads(done.out)["error"].values())

    return run


def test_every_output_is_a_video_with_its_first_frame_document_gif_and_latent(full):
    stems = [f"{CAT}-output0-core1", EXACT, CAT]
    wanted = [f"{stem}.{kind}" for stem in stems for kind in EVERY_KIND]
    assert names(full) == sorted([*wanted, "run.json"])


def test_the_record_names_the_video_and_the_files_beside_it(full):
    (entry,) = record(full)["prompts"]
    assert record(full)["command"] == "video"
    assert entry["output"] == f"{CAT}.mp4"
    assert entry["outputs"][1]["path"] == f"{CAT}.mp4"
    assert entry["outputs"][1]["latent"] == f"{CAT}.safetensors"
    assert entry["outputs"][1]["extra"] == [f"{CAT}.png", f"{CAT}.json", f"{CAT}.gif"]


def test_a_video_has_the_frames_the_size_and_the_pace_of_its_preset(full):
    video = full / f"{CAT}.mp4"
    assert iio.imread(video).shape == (9, 32, 48, 3)
    assert iio.immeta(video)["fps"] == 6


def test_the_first_frame_beside_a_video_is_its_first_within_the_error_of_compression(full):
    for stem in (CAT, EXACT):
        first = np.asarray(Image.open(full / f"{stem}.png")).astype(int)
        assert first.shape == (32, 48, 3)
        assert np.abs(iio.imread(full / f"{stem}.mp4")[0] - first).mean() < 3


def test_every_file_of_an_output_carries_the_same_document(full):
    documents = [read_metadata(full / f"{EXACT}.{kind}") for kind in EVERY_KIND]
    assert all(document == documents[0] for document in documents)
    assert (documents[0]["output"]["core"], documents[0]["fps"]) == (0, 6)
    assert read_tags(full / f"{CAT}.mp4")["title"] == "a cat"


def test_ranks_above_0_hold_no_encoder(full):
    zero, one = record(full)["components"]
    assert {"text_encoder", "tokenizer", "transformer"} <= set(zero)
    assert one == ["transformer", "vae"]


def test_the_exact_output_is_the_same_with_and_without_the_shared_encoding(full, command, place):
    options = ("--cores", 1, "--save-latents", "--output", "alone", "-q")
    command("video", "a cat", *TINY, *options, cwd=place)
    alone, shared = place / "alone" / CAT, full / EXACT
    latents = [load_file(f"{path}.safetensors")["latent"] for path in (alone, shared)]
    assert latents[0].equal(latents[1])
    assert np.array_equal(iio.imread(f"{alone}.mp4"), iio.imread(f"{shared}.mp4"))


def test_a_video_makes_the_same_video_again(full, command, place):
    options = ("--from-metadata", full / f"{CAT}.mp4", "--output", "again", "--quiet")
    done = command("video", *options, cwd=place)
    assert done.out == f"again/{CAT}.mp4\n"
    assert (place / "again" / f"{CAT}.mp4").read_bytes() == (full / f"{CAT}.mp4").read_bytes()
    assert names(place / "again") == [f"{CAT}.json", f"{CAT}.mp4", f"{CAT}.png", "run.json"]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_any_file_beside_a_video_gives_its_settings(full, dry, kind):
    document = dry("--from-metadata", full / f"{EXACT}.{kind}")
    made = record(full)["settings"]
    keys = ("model", "dtype", "algo", "cores", "steps", "init_t", "call", "fps", "seed")
    assert {key: document["settings"][key] for key in keys} == {key: made[key] for key in keys}
    assert document["stop"] == {"criterion": "core_index", "index": 2}


def test_frames_per_second_change_the_file_alone_and_frames_the_video(short, place):
    assert (short.code, short.out) == (0, f"short/{CAT}.mp4\n")
    # where torch is imported before the fork, its triton of 2.15 complains when the process ends
    assert short.err.partition("nanobind: leaked ")[0] == ""
    video = place / "short" / f"{CAT}.mp4"
    assert iio.imread(video).shape == (5, 32, 48, 3)
    assert iio.immeta(video)["fps"] == 8


def test_no_metadata_leaves_no_tag_no_sidecar_and_no_text(short, place):
    assert names(place / "short") == [f"{CAT}.mp4", f"{CAT}.png", "run.json"]
    assert set(read_tags(place / "short" / f"{CAT}.mp4")).isdisjoint({"chords", "title", "comment"})
    assert Image.open(place / "short" / f"{CAT}.png").info == {}


def test_a_dry_run_names_every_file(full, dry):
    kept = ("--cores", 2, "--all-cores", "--save-latents", "--gif")
    document = dry("a cat", *TINY, *kept, "--output", "dry")
    assert sorted(document["files"]) == [f"dry/{name}" for name in names(full)]
    assert document["settings"]["gif"] is True


def test_resume_takes_a_finished_video_as_done_and_overwrite_replaces_it(full, command, place):
    base = ("video", "a cat", *TINY, "--cores", 2, "--quiet", "--output", "resumed")
    command(*base, "--stop-index", 0, cwd=place)
    before = (place / "resumed" / f"{CAT}.mp4").stat().st_mtime_ns
    command(*base, "--stop-index", 0, "--resume", cwd=place)
    assert (place / "resumed" / f"{CAT}.mp4").stat().st_mtime_ns == before
    done = command(*base, cwd=place, code=2)
    assert done.err.startswith("error: resumed/run.json exists already\n")
    command(*base, "--overwrite", cwd=place)
    assert (place / "resumed" / f"{CAT}.mp4").read_bytes() == (full / f"{CAT}.mp4").read_bytes()


def test_resume_refuses_another_pace(short, refused):
    options = ("a cat", *TINY, "--frames", 5, "--fps", 9, "--cores", 1, "--resume")
    assert refused(*options, "--output", "short")[0] == (
        "short was made with other settings: fps was 8, is 9"
    )


def test_frames_that_the_model_does_not_allow_name_the_nearest_that_it_does(refused):
    assert refused(*TINY, "--frames", 10) == (
        "frames is 10, but this model takes a multiple of 4 plus 1",
        "try --frames 9 or --frames 13",
    )


def test_an_odd_size_is_refused_before_anything_starts(refused):
    assert refused(*TINY, "--width", 47) == (
        "width is 47, but a video has even sizes",
        "try --width 48",
    )


def test_an_image_model_is_refused_and_so_is_a_video_model_by_image(refused, full, command, place):
    assert refused("--model", "tiny", "--devices", "cpu") == (
        "tiny makes images, but this is chords video",
        "type chords image --model tiny",
    )
    done = command("image", "--from-metadata", full / f"{CAT}.mp4", cwd=place, code=2)
    assert done.err == (
        "error: tiny-video makes videos, but this is chords image\n"
        f"hint: type chords video --from-metadata {full / CAT}.mp4\n"
    )


@pytest.mark.parametrize(
    ("option", "value"), [("--fps", 0), ("--fps", 1001), ("--frames", 0), ("--frames", -1)]
)
def test_a_pace_and_frames_that_no_video_has_are_refused(refused, option, value):
    assert refused(*TINY, option, value)[0].startswith(f"{option[2:]} is {value}, but ")


def test_without_a_model_the_built_in_one_makes_a_clip(command, place):
    options = ("--steps", 6, "--cores", 2, "--devices", "cpu", "--output", "built-in")
    command("video", "a red circle moving right on a blue background", *options, cwd=place)
    (video,) = (place / "built-in").glob("*.mp4")
    assert iio.imread(video).shape == (17, 64, 64, 3)
    assert iio.immeta(video)["fps"] == 8
    assert record(place / "built-in")["preset"] == "demo-video"
