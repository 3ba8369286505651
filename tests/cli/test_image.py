"""`chords image` as a user runs it: real cores, real files, a tiny model."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from tests.waiting import ended, until

TINY = ("--model", "tiny", "--devices", "cpu")
CAT = "0001-a-cat-s42"


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def same(one, other):
    return np.array_equal(pixels(one), pixels(other))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def full(command, place):
    """Two prompts, two seeds each, with every output and its latent, told as JSON."""
    kept = ("--all-cores", "--save-latents", "--json")
    options = ("--num", 2, "--cores", 4, *kept, "--output", "full")
    return command("image", "a cat", "a dog", *TINY, *options, cwd=place)


@pytest.fixture(scope="module")
def plain(process, place):
    """One prompt from standard input, quietly."""
    options = ("--cores", 4, "--prompt-file", "-", "--quiet", "--output", "plain")
    return process("image", *TINY, *options, cwd=place, input="# shapes\n\na cat\n")


@pytest.fixture(scope="module")
def resumed(command, place, plain):
    """The same folder again, with one prompt more, told in words."""
    (place / "prompts.txt").write_text("a cat\na bird\n")
    options = ("--cores", 4, "--prompt-file", "prompts.txt", "--resume", "--output", "plain")
    return command("image", *TINY, *options, cwd=place)


def test_json_is_one_document_and_the_record_in_the_folder(full, place):
    assert json.loads(full.out) == record(place / "full")
    assert full.err == ""


def test_every_prompt_begins_at_the_seed_and_every_take_counts_up(full, place):
    prompts = record(place / "full")["prompts"]
    assert [(entry["prompt"], entry["seed"], entry["output"]) for entry in prompts] == [
        ("a cat", 42, "0001-a-cat-s42.png"),
        ("a cat", 43, "0002-a-cat-s43.png"),
        ("a dog", 42, "0003-a-dog-s42.png"),
        ("a dog", 43, "0004-a-dog-s43.png"),
    ]
    assert not same(place / "full" / f"{CAT}.png", place / "full" / "0002-a-cat-s43.png")


def test_all_cores_keeps_every_output_up_to_the_exact_one(full, place):
    outputs = record(place / "full")["prompts"][0]["outputs"]
    assert [(output["index"], output["core"], output["path"]) for output in outputs] == [
        (0, 3, f"{CAT}-output0-core3.png"),
        (1, 3, f"{CAT}.png"),
        (2, 2, f"{CAT}-output2-core2.png"),
        (3, 1, f"{CAT}-output3-core1.png"),
        (4, 0, f"{CAT}-output4-core0.png"),
    ]
    assert all((place / "full" / output["path"]).is_file() for output in outputs)


def test_saved_latents_are_what_safetensors_reads(full, place):
    for entry in record(place / "full")["prompts"]:
        for output in entry["outputs"]:
            (latent,) = load_file(place / "full" / output["latent"]).values()
            assert latent.isfinite().all()
            assert latent.ndim == 3


def test_the_record_tells_times_components_and_versions(full, place):
    made = record(place / "full")
    assert made["components"][1] == ["transformer", "vae"]
    assert made["seconds"]["total"] > made["prompts"][0]["seconds"]["total"] > 0
    assert made["environment"]["diffusers"]


def test_quiet_prints_the_path_and_nothing_else(plain, place):
    assert (plain.out, plain.err) == (f"plain/{CAT}.png\n", "")
    assert names(place / "plain")[0] == f"{CAT}.png"


def test_a_prompt_gives_the_same_pixels_whatever_else_is_kept(full, plain, place):
    assert same(place / "plain" / f"{CAT}.png", place / "full" / f"{CAT}.png")


def test_resume_makes_only_what_is_missing_and_the_record_covers_all(resumed, place):
    assert names(place / "plain") == [f"{CAT}.png", "0002-a-bird-s42.png", "run.json"]
    prompts = record(place / "plain")["prompts"]
    assert [entry["prompt"] for entry in prompts] == ["a cat", "a bird"]
    assert resumed.out == f"plain/{CAT}.png\nplain/0002-a-bird-s42.png\n"
    assert f"plain/{CAT}.png" in resumed.err
    assert re.search(r"^2/2: output 1 from core 3 after \d+ rounds, [\d.]+ s$", resumed.err, re.M)


def test_resume_of_a_finished_run_starts_nothing(resumed, command, place):
    before = {path: path.stat().st_mtime_ns for path in (place / "plain").glob("*.png")}
    again = ("--cores", 4, "--prompt-file", "prompts.txt")
    options = (*again, "--resume", "--json", "--output", "plain")
    done = json.loads(command("image", *TINY, *options, cwd=place).out)
    assert len(done["prompts"]) == 2
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_second_run_is_refused_and_changes_nothing_unless_it_may_overwrite(full, command, place):
    def run(*more, code):
        options = ("--num", 2, "--cores", 4, "--quiet", "--output", "full", *more)
        return command("image", "a cat", *TINY, *options, cwd=place, code=code)

    before = (place / "full" / f"{CAT}.png").read_bytes()
    assert run(code=2).err == (
        "error: full/run.json exists already\n"
        "hint: choose another --output, add --resume to keep what is done, "
        "or --overwrite to replace it\n"
    )
    run("--overwrite", code=0)
    assert (place / "full" / f"{CAT}.png").read_bytes() == before


def test_sequential_gives_core_0s_pixels_and_no_metadata_when_told_so(full, command, place):
    options = ("--algo", "sequential", "--no-metadata", "--output", "sequential")
    command("image", "a cat", *TINY, *options, cwd=place)
    picture = place / "sequential" / f"{CAT}.png"
    assert same(picture, place / "full" / f"{CAT}-output4-core0.png")
    with Image.open(picture) as opened:
        assert not hasattr(opened, "text") or opened.text == {}
    assert names(place / "sequential") == [f"{CAT}.png", "run.json"]


def test_metadata_of_any_output_makes_the_same_pixels_again(full, command, place):
    picture = place / "full" / "0004-a-dog-s43-output2-core2.png"
    command("image", "--from-metadata", picture, "--output", "again", "-q", cwd=place)
    assert same(place / "again" / "0001-a-dog-s43.png", picture)


def test_options_of_picture_plan_and_machine_reach_the_run(command, place):
    shape = ("--width", 48, "--height", 64, "--guidance", 3, "--negative-prompt", "night")
    plan = ("--steps", 6, "--init-t", "0-2-4", "--stop-residual", 1e-9, "--seed", 7)
    machine = ("--devices", "cpu,cpu", "--dtype", "bfloat16", "--timeout", 900)
    where = ("--model", "tiny", "--output", "options", "--verbose")
    told = command("image", "a cat", *where, *shape, *plan, *machine, cwd=place).err
    made = record(place / "options")
    assert re.search(r"^output 1 from core 2 .*, differs by [\d.e-]+ from the preview$", told, re.M)
    assert "no output differed less than 1e-09 from the one before it" in told
    assert "residual" not in told
    assert pixels(place / "options" / "0001-a-cat-s7.png").shape == (64, 48, 3)
    assert made["plan"]["init_t"] == [0, 2, 4]
    assert (made["dtype"], made["devices"]) == ("bfloat16", ["cpu"] * 3)
    assert made["settings"]["timeout"] == 900
    call = made["settings"]["call"]
    assert (call["true_cfg_scale"], call["negative_prompt"]) == (3, "night")
    assert made["stop"] == {"criterion": "residual", "residual": 1e-9}
    assert made["prompts"][0]["outputs"][-1]["core"] == 0


def test_an_output_folder_is_made_by_time_and_model_when_none_is_said(command, tmp_path):
    options = ("--cores", 2, "--steps", 2, "--stop-index", 0, "-q")
    done = command("image", "a cat", *TINY, *options, cwd=tmp_path)
    (folder,) = (tmp_path / "outputs").iterdir()
    assert folder.name.endswith("-tiny")
    assert done.out == f"outputs/{folder.name}/{CAT}.png\n"


def test_a_dry_run_shows_everything_loads_nothing_and_writes_nothing(environment, tmp_path):
    code = (
        "import sys; from chords_cli.cli.app import run; code = run(sys.argv[1:]);"
        "assert not {'torch', 'diffusers'} & set(sys.modules); sys.exit(code)"
    )
    options = (
        "image",
        "--dry-run",
        "--json",
        "--num",
        "2",
        "--cores",
        "4",
        "--output",
        "out",
        *TINY,
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *options],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["files"] == [
        "out/0001-a-horse-s42.png",
        "out/0002-a-horse-s43.png",
        "out/0003-a-city-at-night-s42.png",
        "out/0004-a-city-at-night-s43.png",
        "out/run.json",
    ]
    assert [core["core"] for core in document["memory"]["cores"]] == [0, 1, 2, 3]
    assert set(document["memory"]["cores"][1]["components"]) == {"transformer"}
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_no_file_and_no_folder(warm, environment, tmp_path):
    line = ("image", "a cat", *TINY, "--output", "out")
    running = warm.start(*line, cwd=tmp_path, env=environment, start_new_session=True)
    until(Path(tmp_path, "out").exists, "the output folder")
    running.send_signal(signal.SIGINT)
    _, errors = ended(running)
    assert running.returncode == 130, errors
    assert list(tmp_path.iterdir()) == []
