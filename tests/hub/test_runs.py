"""What was downloaded is what a run opens, and a run without it says what to type."""

import json

import pytest
from diffusers import WanPipeline

from chords_cli.engine.devices import Memory
from chords_cli.runs.settings.layouts import capacity
from tests.hub.opened import opened_in
from tests.hub.repositories import FLUX, FLUX_NEEDS, WAN, WAN_NEEDS
from tests.hub.server import TOKEN

RUNS = [
    ("image", "my-flux", FLUX, FLUX_NEEDS),
    ("video", "my-wan", WAN, WAN_NEEDS),
]


@pytest.mark.parametrize(("command", "preset", "repo", "needed"), RUNS)
def test_a_run_offline_opens_exactly_what_was_downloaded(place, command, preset, repo, needed):
    place.chords("download", preset, HF_TOKEN=TOKEN)
    place.hub.seen.clear()
    run = [command, "--model", preset, "--cores", "2", "--devices", "cpu", "--output", "made"]
    with opened_in(place.store(repo) / "blobs") as opened:
        place.chords(*run, HF_HUB_OFFLINE="1")
    files = place.hub.repos[repo].files
    assert opened == {files[path].etag for path in needed}
    assert place.hub.seen == []
    record = json.loads((place.home / "made" / "run.json").read_text())
    assert (place.home / "made" / record["prompts"][0]["output"]).is_file()


def test_a_model_that_is_not_there_names_the_command(place):
    done = place.chords("image", "--model", "my-flux", "--devices", "cpu", code=2)
    assert done.stderr == (
        f"error: {FLUX} is not on this machine\n"
        "hint: fetch it first: chords download my-flux, or add --download\n"
    )
    assert place.hub.seen == []


HOLES = {
    "model_index.json": "model_index.json: it is not a diffusers repository",
    "tokenizer/merges.txt": "component tokenizer has no vocabulary",
    "transformer/diffusion_pytorch_model-00002-of-00003.safetensors": "component transformer has "
    "no diffusion_pytorch_model-00002-of-00003.safetensors, which its index names",
}


def test_a_snapshot_with_a_hole_names_it_and_the_command_that_fills_it(place):
    place.chords("download", "my-flux", HF_TOKEN=TOKEN)
    run = ["image", "--model", "my-flux", "--devices", "cpu"]
    for lost, message in HOLES.items():
        (place.snapshot(FLUX) / lost).rename(place.home / "lost")
        done = place.chords(*run, code=2)
        (place.home / "lost").rename(place.snapshot(FLUX) / lost)
        first, hint = done.stderr.splitlines()
        assert first.startswith(f"error: {FLUX} is not complete on this machine: ")
        assert first.endswith(message)
        assert hint == "hint: complete it: chords download my-flux, or add --download"
    (place.snapshot(FLUX) / lost).unlink()
    place.chords("download", "my-flux", HF_TOKEN=TOKEN)
    assert place.same(FLUX, FLUX_NEEDS)


def test_download_before_a_run_fetches_once(place):
    run = ["image", "--model", "my-flux", "--download", "--devices", "cpu", "--quiet"]
    place.chords(*run, "--steps", "0", code=2, HF_TOKEN=TOKEN)
    assert place.hub.seen == []
    refused = place.chords(*run, code=1)
    assert refused.stderr.startswith(f"error: {FLUX} is gated, and you are not logged in\n")
    done = place.chords(*run, "--cores", "1", HF_TOKEN=TOKEN)
    assert done.stdout.count("\n") == 1
    assert place.same(FLUX, FLUX_NEEDS)


def test_a_folder_that_is_taken_is_refused_before_anything_is_fetched(place):
    (place.home / "taken").mkdir()
    (place.home / "taken" / "run.json").write_text("{}")
    run = ["image", "a cat", "--model", "my-flux", "--download", "--devices", "cpu"]
    refused = place.chords(*run, "--output", place.home / "taken", code=2, HF_TOKEN=TOKEN)
    assert "run.json exists already" in refused.stderr
    assert place.hub.seen == []


def test_download_before_a_comparison_fetches_the_models_of_arms_too(place):
    arms = ["--arm", "sequential", "--arm", "sequential model=my-flux"]
    size = ["--width", "64", "--height", "64", "--steps", "2"]
    line = ["compare", "a cat", "--model", "demo-image", *arms, *size, "--devices", "cpu"]
    missing = place.chords(*line, code=2, HF_TOKEN=TOKEN)
    assert "my-flux" in missing.stderr
    place.chords(*line, "--download", "--quiet", HF_TOKEN=TOKEN)
    assert place.same(FLUX, FLUX_NEEDS)


def test_diffusers_finds_the_snapshot_by_its_name(place):
    place.chords("download", "my-wan")
    place.hub.seen.clear()
    with place.entered(HF_HUB_OFFLINE="1"):
        pipe = WanPipeline.from_pretrained(WAN)
    assert type(pipe.transformer).__name__ == "WanTransformer3DModel"
    assert place.hub.seen == []


def test_a_dry_run_says_that_the_model_is_missing_and_what_to_type(place):
    line = ["--model", "my-flux", "a fox", "--devices", "cpu", "--cores", "2", "--dry-run"]
    words = "is not on this machine; type `chords download my-flux`, or add --download to the run"
    assert f"{FLUX} {words}" in place.chords("image", *line).stdout
    document = json.loads(place.chords("image", *line, "--json").stdout)
    assert document["missing"] == f"{FLUX} {words}"
    assert f"{FLUX} {words}" in place.chords("compare", *line).stderr
    place.chords("download", "my-flux", HF_TOKEN=TOKEN)
    assert "not on this machine" not in place.chords("image", *line).stdout
    (place.snapshot(FLUX) / "vae" / "config.json").unlink()
    document = json.loads(place.chords("image", *line, "--json").stdout)
    assert (
        "component vae has no configuration; type `chords download my-flux`" in document["missing"]
    )


def test_a_model_that_cannot_fit_is_not_fetched(place, monkeypatch):
    def measured(devices):
        return {device: Memory(title=device, free=100_000_000) for device in devices}

    monkeypatch.setattr(capacity, "device_memory", measured)
    line = ["a fox", "--model", "my-flux", "--devices", "cpu", "--cores", "2"]
    assert "my-flux will not fit" in place.chords("image", *line, "--dry-run").stdout
    assert place.chords("image", *line, "--download", code=2).stderr == (
        "error: 2 cores of my-flux take together at least 0.4 GB of memory (they share weights; "
        "0.8 GB without), but cpu has 0.1 GB free\n"
        "hint: choose a smaller model, or --devices with more memory\n"
    )
    assert place.hub.seen == []
