"""A preset's step cache: what a run says of it before anything loads, and what it leaves."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

PRESET = """
name: cached
title: Tiny with a cache
kind: image
path: model
pipeline: FluxPipeline
dtype: float32
license: {{name: MIT}}
call:
  height: 32
  width: 32
  num_inference_steps: 8
  guidance_scale: 1.0
  true_cfg_scale: 2.0
  negative_prompt: ""
  max_sequence_length: 24
sampling: {{algo: sequential}}
cache: {cache}
prompts: [a horse]
"""

REFUSED = {
    "two calls a step": (
        "{name: pyramid}",
        (),
        "cache pyramid counts calls, and FluxPipeline makes two a step at guidance 2: one would "
        "get the other's attention",
        "use first-block, which tells them apart, or --guidance 1",
    ),
    "several cores": (
        "{name: first-block}",
        ("--cores", "2"),
        "cache first-block is only right on a core that visits every step, and algo wavefront "
        "skips some",
        "use --algo sequential, or leave the cache out",
    ),
    "one core that skips steps": (
        "{name: taylorseer}",
        ("--rounds", "4", "--cores", "1"),
        "cache taylorseer is only right on a core that visits every step, and algo wavefront "
        "skips some",
        "use --algo sequential, or leave the cache out",
    ),
    "a cache that does not exist": (
        "{name: teacache}",
        (),
        "cached.yaml: cache.name is 'teacache', but must be 'first-block', 'taylorseer', 'mag', "
        "'faster' or 'pyramid'",
        "write cache.name: first-block",
    ),
    "no ratios": (
        "{name: mag}",
        (),
        "cache mag needs mag_ratios, which every model has of its own",
        "write `calibrate: true` in its args once: that run tells them",
    ),
}


@pytest.fixture
def cached(home, tmp_path, monkeypatch):
    """Writes `cached.yaml` with a cache beside a model."""
    monkeypatch.setattr("chords_cli.engine.devices.available_devices", lambda: ("cpu",))
    shutil.copytree(Path(home["HOME"]) / "model", tmp_path / "model")
    monkeypatch.chdir(tmp_path)

    def write(cache: str) -> str:
        Path("cached.yaml").write_text(PRESET.format(cache=cache))
        return "cached.yaml"

    return write


@pytest.mark.parametrize(("cache", "options", "message", "hint"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_a_cache_that_cannot_work_is_refused_before_anything_loads(
    chords, cached, cache, options, message, hint, dry
):
    answer = chords("image", "--model", cached(cache), *options, *dry)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: {message}\nhint: {hint}\n"


def test_a_run_counts_the_evaluations_that_its_cache_let_it_make(chords, cached):
    model = cached("{name: first-block, args: {threshold: 10.0}}")
    answer = chords("image", "a cat", "--model", model, "--output", "out")
    assert answer.code == 0, answer.err
    made = json.loads(Path("out/run.json").read_text())
    (sample,) = made["prompts"]
    assert 1 < sample["evaluated"] < sample["rounds"] == 8
    assert made["settings"]["model"]["cache"] == {
        "name": "first-block",
        "args": {"threshold": 10.0},
    }


ARMS = (
    *("--arm", "sequential", "--arm", "sequential cache=own"),
    *("--arm", "sequential cache=first-block:threshold=0.0"),
    *("--arm", "few-steps steps=4 cache=taylorseer:cache_interval=3"),
)


@pytest.fixture
def compared(chords, cached):
    """The record of caches beside each other."""
    model = cached("{name: first-block, args: {threshold: 10.0}}")
    answer = chords(
        "compare", "a cat", "--model", model, *ARMS, "--output", "out", "--json", "--repeat", "2"
    )
    assert answer.code == 0, answer.err
    return answer.document


def test_caches_are_compared_by_the_evaluations_that_they_took(compared):
    stock, own, nothing, few = compared["arms"]
    assert stock["evaluations"] == stock["rounds"] == 8
    assert 1 < own["evaluations"] < own["rounds"] == 8
    assert nothing["evaluations"] == 8
    assert few["evaluations"] <= few["rounds"] == 4
    assert own["speedup"]["ideal"] == pytest.approx(8 / own["evaluations"], abs=1e-4)
    for arm, result in zip(compared["arms"], compared["takes"][0]["results"], strict=True):
        assert result["evaluations"] == arm["evaluations"]


def test_without_a_cache_an_arm_is_the_stock_model_and_the_reference(compared):
    stock, own, nothing, _ = compared["arms"]
    assert compared["reference"] == "sequential"
    assert "cache" not in stock["model"]
    assert own["model"]["cache"]["args"] == {"threshold": 10.0}
    assert nothing["quality"]["same_latent"]
    assert not own["quality"]["same_latent"]
    assert any("linear layers" in note for note in compared["notes"])


def test_arms_with_and_without_caches_take_turns_on_one_model(compared):
    assert compared["loads"] == [[arm["name"] for arm in compared["arms"]]]
    assert all(result["same_bits"] for result in compared["takes"][0]["results"])


ANOTHER_WAY = (
    "sequential cache=own",
    "sequential cache=first-block:threshold=0.2",
    "few-steps steps=5 scheduler=unipc cache=first-block:threshold=0.2",
    "wavefront cores=2 scheduler=dpm++2m",
)


@pytest.mark.parametrize(
    "named", [False, True], ids=["preset of the user's", "preset that is named"]
)
def test_what_an_arm_made_with_its_own_scheduler_and_cache_is_made_again(
    chords, cached, tmp_path, named
):
    model = cached("{name: first-block, args: {threshold: 10.0}}")
    if not named:
        presets = tmp_path / "config" / "chords" / "presets"
        presets.mkdir(parents=True)
        shutil.copy(model, presets)
        (presets / "model").symlink_to(tmp_path / "model")
    arms = [word for arm in ANOTHER_WAY for word in ("--arm", arm)]
    compared = chords("compare", "a cat", "--model", model, *arms, "--output", "out", "--json")
    assert compared.code == 0, compared.err
    (take,) = compared.document["takes"]
    pictures = [Path("out", Path(result["picture"]).name) for result in take["results"]]
    for number, picture in enumerate(pictures):
        options = ("--model", model) if named else ()
        line = ("--from-metadata", str(picture), *options, "--output", f"again{number}", "--json")
        answer = chords("image", *line)
        assert answer.code == 0, answer.err
        (made,) = answer.document["prompts"]
        assert pixels(Path(f"again{number}", made["output"])) == pixels(picture)
    assert len({pixels(picture) for picture in pictures}) == len(pictures)


def pixels(path):
    with Image.open(path) as picture:
        return picture.tobytes()


def test_a_calibration_tells_the_ratios_with_which_the_cache_runs(chords, cached):
    arms = ("--arm", "sequential", "--arm", "sequential cache=mag:calibrate=true")
    model = cached("null")
    answer = chords("compare", "a cat", "--model", model, *arms, "--output", "told", "--json")
    (warning,) = answer.document["warnings"]
    assert answer.document["arms"][1]["quality"]["same_latent"]
    ratios = warning.split("[")[1].strip("]").replace(" ", "")
    assert warning.startswith("sequential cache=mag:calibrate=true: mag_ratios of FluxPipeline")
    arm = f"sequential cache=mag:threshold=9.0:mag_ratios={ratios}"
    again = ("--arm", "sequential", "--arm", arm, "--output", "used", "--json")
    used = chords("compare", "a cat", "--model", model, *again).document["arms"][1]
    assert used["evaluations"] < used["rounds"] == 8


def test_a_presets_cache_is_one_of_the_usual_arms(chords, cached):
    model = cached("{name: first-block}")
    answer = chords("compare", "a cat", "--model", model, "--cores", "2", "--dry-run", "--json")
    arms = {arm["name"]: arm["model"].get("cache") for arm in answer.document["arms"]}
    assert [name for name, cache in arms.items() if cache] == ["sequential cache=own"]
    assert {"sequential", "wavefront", "chords", "few-steps"} <= arms.keys()


@pytest.mark.parametrize(
    ("arm", "message", "hint"),
    [
        (
            "wavefront cache=first-block",
            "cache first-block is only right on a core that visits every step, and algo wavefront "
            "skips some",
            "use sequential, or leave the cache out",
        ),
        (
            "sequential cache=pyramid",
            "cache pyramid counts calls, and FluxPipeline makes two a step at guidance 2: one "
            "would get the other's attention",
            "use first-block, which tells them apart, or --guidance 1",
        ),
        (
            "sequential cache=own",
            "cache is own, but cached names none",
            "name one, as in cache=first-block",
        ),
        (
            "sequential cache=first-block:treshold=0.1",
            "cache first-block has no parameter treshold",
            "did you mean threshold? it has threshold",
        ),
    ],
)
def test_an_arms_cache_that_cannot_work_is_refused_before_anything_loads(
    chords, cached, arm, message, hint
):
    answer = chords("compare", "--model", cached("null"), "--arm", "sequential", "--arm", arm)
    assert answer.err == f"error: arm {arm!r}: {message}\nhint: {hint}\n"
    assert (answer.code, answer.out) == (2, "")


def test_a_run_without_a_cache_counts_nothing(chords, cached):
    answer = chords("image", "a cat", "--model", cached("null"), "--output", "out", "--json")
    assert answer.document["prompts"][0]["evaluated"] is None
