"""`chords compare` as a user runs it: every number recomputed from the files it left."""

import html
import json
import math
import re
import shlex
import signal
import statistics
from itertools import pairwise
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from PIL import Image
from safetensors.torch import load_file
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.reporting import report_loading
from chords_cli.pipelines.load.spec import ModelSpec
from tests.cli.test_video import PRESET as TINY_VIDEO
from tests.doubles import tiny
from tests.waiting import HANG

PROMPTS = ("a red circle", "a blue ring above a green square")
ARMS = ("sequential", "few-steps", "chords", "chords stop_index=3", "wavefront")
BUILT_IN = ("--model", "demo-image", "--steps", 4, "--cores", 2, "--devices", "cpu")
TINY = ("--model", "tiny", "--devices", "cpu", "--cores", "4")


def arm_options(*arms):
    return [word for arm in arms for word in ("--arm", arm)]


def record(folder):
    return json.loads((folder / "compare.json").read_text())


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def latent(path):
    (found,) = load_file(path).values()
    return found


def by_arm(made):
    return {arm["name"]: arm for arm in made["arms"]}


def quality(made):
    return [result["quality"] for sample in made["takes"] for result in sample["results"]]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("comparisons")


@pytest.fixture(scope="module")
def built_in(command, place):
    """The built-in model, a few steps of it."""
    arms = arm_options("sequential", "few-steps", "chords")
    command("compare", "a red circle", *BUILT_IN, *arms, "--output", "built-in", cwd=place)
    return place / "built-in"


@pytest.fixture(scope="module")
def full(command, place):
    """Two prompts, every algorithm, a later output; each measured twice on a tiny model."""
    options = ("--cores", 3, *arm_options(*ARMS), "--repeat", 2, "--output", "full")
    command("compare", *PROMPTS, *TINY, *options, cwd=place)
    return place / "full"


@pytest.fixture(params=["built_in", "full"])
def either(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def told(command, place):
    """A tiny model and the usual arms, in words."""
    return command("compare", "a cat", *TINY, "--output", "told", cwd=place)


def stock(folder, sample, call, scheduler=None):
    """What stock diffusers makes of a tiny model, with another scheduler if one is given."""
    report_loading(lambda what, done, total: None)
    pipe = load_pipeline(
        ModelSpec(folder=str(folder), pipeline="FluxPipeline", dtype="float32"),
        device=torch.device("cpu"),
        encodes=True,
        decodes=True,
    )
    if scheduler is not None:
        pipe.scheduler = scheduler(pipe.scheduler.config)
    noise = torch.Generator("cpu").manual_seed(sample["seed"])
    return pipe(**call, prompt=sample["prompt"], generator=noise, output_type="latent")[0]


def test_distances_are_those_of_the_saved_latents_and_pictures(either):
    made = record(either)
    for sample in made["takes"]:
        files = {r["arm"]: (either / r["latent"], either / r["picture"]) for r in sample["results"]}
        exact, picture = latent(files["sequential"][0]), pixels(files["sequential"][1])
        for result in sample["results"]:
            own, shown = latent(files[result["arm"]][0]), pixels(files[result["arm"]][1])
            gap = (own.double() - exact.double()).square().mean().sqrt().item()
            size = exact.double().square().mean().sqrt().item()
            found = result["quality"]
            assert found["latent_rmse"] == pytest.approx(gap, rel=1e-9)
            assert found["latent_rmse_relative"] == pytest.approx(gap / size, rel=1e-9)
            assert found["same_latent"] == torch.equal(own, exact)
            assert found["same_pixels"] == np.array_equal(shown, picture)
            similar = structural_similarity(shown, picture, channel_axis=-1, data_range=255)
            assert found["ssim"] == similar
            if found["same_pixels"]:
                assert found["psnr"] is None
            else:
                assert found["psnr"] == peak_signal_noise_ratio(shown, picture, data_range=255)


def test_means_and_worst_cases_are_those_over_the_prompts(full):
    made = record(full)
    for number, arm in enumerate(made["arms"]):
        own = [sample["results"][number]["quality"] for sample in made["takes"]]
        for name, worst in (("latent_rmse", max), ("ssim", min)):
            values = [quality[name] for quality in own]
            assert arm["quality"][name] == {
                "mean": statistics.fmean(values),
                "worst": worst(values),
            }


def test_seconds_are_medians_of_the_runs_and_speed_up_is_their_ratio(full):
    made = record(full)
    for number, arm in enumerate(made["arms"]):
        runs = [run for sample in made["takes"] for run in sample["results"][number]["runs"]]
        assert len(runs) == 2 * len(PROMPTS)
        for part in ("encode", "sample", "decode", "total"):
            values = [run[part] for run in runs]
            told = arm["seconds"][part]
            assert told["median"] == pytest.approx(statistics.median(values), abs=1e-4)
            assert (told["min"], told["max"]) == (min(values), max(values))
        assert all(run["total"] > run["sample"] > 0 and run["encode"] > 0 for run in runs)
        reference, speedup = by_arm(made)["sequential"], arm["speedup"]
        measured = reference["seconds"]["sample"]["median"] / arm["seconds"]["sample"]["median"]
        assert speedup["measured"] == pytest.approx(measured, abs=1e-4)
        assert speedup["ideal"] == pytest.approx(reference["rounds"] / arm["rounds"], abs=1e-4)
        assert speedup["ratio"] == pytest.approx(speedup["measured"] / speedup["ideal"], abs=1e-4)


def test_rounds_and_evaluations_are_those_of_the_plans(full):
    found = {name: (arm["rounds"], arm["nfe_total"]) for name, arm in by_arm(record(full)).items()}
    fastest = min(found["chords"][0], found["wavefront"][0])
    assert found["sequential"] == (8, 8)
    assert found["few-steps"] == (fastest, fastest)
    assert found["chords stop_index=3"][0] == 8


def test_the_sequential_arm_ends_with_the_bits_of_stock_diffusers(either):
    made = record(either)
    arm, sample = by_arm(made)["sequential"], made["takes"][0]
    exact = stock(arm["path"], sample, arm["settings"]["call"])
    assert torch.equal(latent(either / sample["results"][0]["latent"]), exact)


@pytest.mark.parametrize(
    ("name", "cls"),
    [("dpm++2m", DPMSolverMultistepScheduler), ("unipc", UniPCMultistepScheduler)],
)
def test_another_scheduler_takes_stock_diffusers_steps_on_the_models_own_shift(
    told, place, name, cls
):
    made = record(place / "told")
    arm, sample = by_arm(made)[f"few-steps scheduler={name}"], made["takes"][0]
    (result,) = (one for one in sample["results"] if one["arm"] == arm["name"])

    def scheduler(config):
        flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
        return cls.from_config(config, **flow, flow_shift=config.shift, solver_order=2)

    other = stock(arm["path"], sample, arm["settings"]["call"], scheduler)
    assert torch.equal(latent(place / "told" / result["latent"]), other)


def test_one_device_evaluates_as_often_in_a_row_as_the_fastest_of_several_cores(told, place):
    arms = by_arm(record(place / "told"))
    fastest = min(arms["chords"]["rounds"], arms["wavefront"]["rounds"])
    alone = {name: arm for name, arm in arms.items() if arm["cores"] == 1}
    assert {arm["rounds"] for name, arm in alone.items() if name != "sequential"} == {fastest}
    assert alone["wavefront cores=1"]["plan"]["steps"] == 8
    ideal = arms["few-steps scheduler=unipc"]["speedup"]["ideal"]
    assert ideal == pytest.approx(arms["sequential"]["rounds"] / fastest, abs=1e-4)


def test_the_last_output_is_the_sequential_one_bit_for_bit(full):
    far = by_arm(record(full))["chords stop_index=3"]["quality"]
    assert far["same_latent"]
    assert far["same_pixels"]


def test_every_repetition_gave_the_same_bits_and_one_load_served_all_arms(full):
    made = record(full)
    assert all(result["same_bits"] for sample in made["takes"] for result in sample["results"])
    assert made["loads"] == [list(ARMS)]
    assert made["start_methods"] == [{"method": "fork", "reason": None}]


def test_arms_with_schedulers_of_their_own_share_the_load_and_leave_the_others_alone(
    told, place, command
):
    made = record(place / "told")
    assert made["loads"] == [[arm["name"] for arm in made["arms"]]]
    arms = ("sequential scheduler=unipc", "sequential", "sequential scheduler=dpm++2m")
    options = (*arm_options(*arms), "--reference", "sequential", "--repeat", 2)
    command("compare", "a cat", *TINY, *options, "--output", "turns", cwd=place)
    results = {r["arm"]: r for r in record(place / "turns")["takes"][0]["results"]}
    assert all(result["same_bits"] for result in results.values())
    assert len({result["quality"]["latent_rmse"] for result in results.values()}) == len(arms)
    exact = latent(place / "told" / made["takes"][0]["results"][0]["latent"])
    assert torch.equal(latent(place / "turns" / results["sequential"]["latent"]), exact)


def test_timelines_hold_every_step_and_every_message_of_the_plan(full):
    for arm in record(full)["arms"]:
        told = arm["timeline"]
        for core in told["cores"]:
            spans = core["spans"]
            assert all(a["stop"] <= b["start"] + 1e-3 for a, b in pairwise(spans))
            assert all(0 <= s["start"] < s["stop"] <= told["seconds"] + 1e-3 for s in spans)
        chosen = [output for output in told["outputs"] if output["chosen"]]
        assert [output["round"] for output in chosen] == [arm["rounds"]]
        if arm["cores"] > 1:
            assert told["messages"]
            assert all(m["sent"] <= m["received"] for m in told["messages"])


def test_peak_memory_is_told_of_every_core(full):
    for arm in record(full)["arms"]:
        assert [peak["core"] for peak in arm["peak_memory"]] == list(range(arm["cores"]))
        assert all(peak["host_bytes"] > 1e6 for peak in arm["peak_memory"])
        assert all(peak["device_bytes"] is None for peak in arm["peak_memory"])


def test_the_folder_holds_what_the_record_names_and_nothing_half_written(full):
    made = record(full)
    results = [result for sample in made["takes"] for result in sample["results"]]
    expected = {result[kind] for result in results for kind in ("picture", "latent")}
    expected |= {"compare.json", "compare.png", "compare.html"}
    assert {path.name for path in full.iterdir()} == expected
    assert pixels(full / "compare.png").std() > 1


def test_the_command_in_the_record_gives_the_same_metrics_again_and_json_the_record(
    full, command, place
):
    words = shlex.split(record(full)["again"])
    assert words[0] == "chords"
    done = command(*words[1:], "--repeat", 1, "--output", "again", "--json", cwd=place)
    assert quality(record(place / "again")) == quality(record(full))
    assert json.loads(done.out) == record(place / "again")
    assert done.err == ""


def test_words_say_that_a_shared_device_shows_no_speed_up(told):
    assert "Cores share cpu (chords, wavefront)" in " ".join(told.err.split())
    assert "few-steps is stock diffusers on one device" in " ".join(told.err.split())
    *table, path = told.out.rstrip().splitlines()[2:]
    assert path == "told/compare.html"
    assert all(len(line) <= 80 for line in table)
    assert table[1].split() == [
        *("arm", "row", "devices", "sample", "speed-up", "ideal", "RMSE", "PSNR", "SSIM")
    ]
    assert [line.strip() for line in table if not line[20:].strip()] == [
        *("scheduler=dpm++2m", "scheduler=unipc")
    ]


def test_the_first_sentence_answers_what_several_devices_buy_from_the_measured_numbers(told, place):
    made = record(place / "told")
    arms = by_arm(made)
    first = told.out.splitlines()[0]
    assert first == made["answer"]
    assert first.startswith("What do 4 devices buy beyond one? In ")
    several = min((arms["chords"], arms["wavefront"]), key=lambda arm: arm["rounds"])
    alone = [arm for arm in arms.values() if arm["cores"] == 1 and arm["rounds"] < 8]
    best = min(alone, key=lambda arm: arm["quality"]["latent_rmse"]["mean"])
    for arm, before in ((several, "within RMSE "), (best, "within ")):
        assert arm["name"] in first
        assert f"{before}{arm['quality']['latent_rmse']['mean']:.4f}" in first
    assert first.endswith("but 4 cores share cpu.")
    assert first in html.unescape((place / "told" / "compare.html").read_text())


def test_it_is_said_that_all_arms_run_alike_or_in_what_they_differ(told, command, place):
    same = "All arms run in float32, not compiled, with diffusers' own attention."
    assert same in record(place / "told")["notes"]
    assert any(
        note.startswith("One result tells little") for note in record(place / "told")["notes"]
    )
    arms = arm_options("sequential", "sequential dtype=bfloat16")
    command("compare", "a cat", *TINY, *arms, "--output", "unlike", cwd=place)
    notes = record(place / "unlike")["notes"]
    assert "Arms differ in dtype: their seconds do not compare ways alone." in notes


def test_the_page_asks_for_nothing_and_the_sheet_has_all_pictures(told, place):
    page = (place / "told" / "compare.html").read_text()
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:|#|"|\{)(\w+:)?//""", page)
    assert page.count("data:image/png;base64,") == 7 + 6


def test_quiet_prints_the_pages_path_and_nothing_else(command, place):
    arms = arm_options("sequential", "few-steps steps=2")
    quiet = command("compare", "a cat", *TINY, *arms, "-q", "--output", "quiet", cwd=place)
    assert (quiet.out, quiet.err) == ("quiet/compare.html\n", "")


def test_arms_may_differ_in_anything_even_in_the_model(command, place, home):
    other = place / "other.yaml"
    preset = Path(home["XDG_CONFIG_HOME"], "chords", "presets", "tiny.yaml").read_text()
    other.write_text(preset.replace("name: tiny", "name: other"))
    arms = ("sequential", "chords cores=2 guidance=3", f"sequential model={other} dtype=bfloat16")
    options = ("--reference", arms[1], "--output", "mixed", "--seed", 7, "--num", 2)
    command("compare", "a cat", *TINY, *arm_options(*arms), *options, cwd=place)
    made = record(place / "mixed")
    assert made["reference"] == arms[1]
    assert made["loads"] == [[arms[0], arms[1]], [arms[2]]]
    assert [sample["seed"] for sample in made["takes"]] == [7, 8]
    assert by_arm(made)[arms[0]]["speedup"]["ideal"] is None
    assert by_arm(made)[arms[1]]["speedup"] == {
        **dict.fromkeys(("measured", "ideal", "ratio", "total"), 1.0)
    }
    assert (by_arm(made)[arms[2]]["preset"], by_arm(made)[arms[2]]["dtype"]) == (
        "other",
        "bfloat16",
    )


def test_videos_are_compared_frame_by_frame_and_shown_side_by_side(
    command, place, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("wan")
    tiny.BUILDERS["wan"]().save_pretrained(folder)
    preset = place / "video.yaml"
    preset.write_text(TINY_VIDEO.format(folder=folder))
    command("compare", "a cat", "--model", preset, "--output", "videos", cwd=place)
    made = record(place / "videos")
    first = made["takes"][0]["results"]
    assert all((place / "videos" / result["video"]).is_file() for result in first)
    assert first[0]["quality"]["same_pixels"]
    assert all(math.isfinite(result["quality"]["ssim"]) for result in first)
    film = iio.imread(place / "videos" / "compare.mp4")
    assert film.shape[0] == 9
    page = (place / "videos" / "compare.html").read_text()
    assert page.count("data:video/mp4;base64,") == len(first)


@pytest.mark.slow
def test_an_interrupted_comparison_leaves_no_record_and_no_page(warm, environment, place):
    line = ("compare", "a cat", *TINY, "--output", "cut", "--repeat", 50)
    process = warm.start(*line, cwd=place, env=environment)
    assert process.stderr is not None
    for text in process.stderr:
        if text.startswith("3/"):
            break
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    assert process.wait(HANG) == 130
    left = {path.name for path in (place / "cut").iterdir()}
    assert not left & {"compare.json", "compare.html", "compare.png"}
    assert not [name for name in left if name.startswith(".")]
