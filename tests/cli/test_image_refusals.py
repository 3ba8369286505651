"""What `chords image` refuses: exact words, exit code 2, nothing started and nothing written."""

import json

import pytest
from PIL import Image

REFUSED = {
    "both stop options": (
        ["--stop-index", 1, "--stop-residual", 0.1],
        "--stop-index 1 and --stop-residual 0.1 exclude each other",
        "give one of them",
    ),
    "stop index above K": (
        ["--stop-index", 5],
        "stop_index is 5, but 4 cores make outputs 0 to 4",
        "try --stop-index 1",
    ),
    "init_t that does not start at 0": (
        ["--init-t", "1-2"],
        "init_t 1-2 does not start at 0",
        "core 0 visits every step: begin with 0, as in 0-8-16-32",
    ),
    "init_t unsorted": (
        ["--init-t", "0-4-2"],
        "init_t 0-4-2 is not increasing: 2 follows 4",
        "sort the starts, slowest core first, as in 0-8-16-32",
    ),
    "init_t that repeats": (
        ["--init-t", "0-4-4"],
        "init_t 0-4-4 repeats 4",
        "give every core its own start",
    ),
    "init_t that reaches T": (
        ["--init-t", "0-8"],
        "init_t 0-8 reaches 8, but the grid's last step is 7",
        "keep every start below --steps 8",
    ),
    "init_t of the wrong count": (
        ["--init-t", "0-4", "--cores", 3],
        "init_t 0-4 has 2 starts, but cores is 3",
        "use --cores 2, or leave out --cores or --init-t",
    ),
    "init_t that is no integers": (
        ["--init-t", "0-x"],
        "init_t '0-x' is not a list of whole numbers joined by dashes",
        "write one start a core, slowest first, as in 0-8-16-32",
    ),
    "no cores": (
        ["--cores", 0],
        "cores is 0, but a run has at least 1 core",
        "try --cores 4",
    ),
    "more cores than steps": (
        ["--cores", 9],
        "cores is 9, but 8 steps allow at most 8 cores",
        "use --cores 8 or fewer, or more --steps",
    ),
    "no steps": (["--steps", 0], "steps is 0, but a grid has at least 1 step", "try --steps 50"),
    "sequential on several cores": (
        ["--algo", "sequential", "--cores", 2],
        "cores is 2, but algo sequential runs on 1 core",
        "use --algo wavefront, or --cores 1",
    ),
    "no pictures": (["--num", 0], "num is 0, but must be at least 1", "try --num 1"),
    "empty prompt": (
        [""],
        "prompt 1 is empty",
        'say what to show, as in "a red circle"',
    ),
    "unknown model": (
        ["--model", "tinny"],
        "unknown model 'tinny'",
        "did you mean tiny? `chords presets` lists all; a file name ends in .yaml",
    ),
    "missing prompt file": (
        ["--prompt-file", "no.txt"],
        "prompt file no.txt does not exist",
        "check the path of --prompt-file",
    ),
    "empty prompt file": (
        ["--prompt-file", "empty.txt"],
        "prompt file empty.txt holds no prompt",
        "write one prompt a line; blank lines and lines that begin with # are skipped",
    ),
    "prompt file that is not UTF-8": (
        ["--prompt-file", "latin1.txt"],
        "prompt file latin1.txt is not UTF-8 text: byte 0xe9 at 3",
        "save it as UTF-8",
    ),
    "width that the pipeline does not allow": (
        ["--width", 50],
        "width is 50, but this model takes a multiple of 16",
        "try --width 48 or --width 64",
    ),
    "height that the pipeline does not allow": (
        ["--height", -16],
        "height is -16, but must be above 0 and a multiple of 16",
        "try --height 16 or --height 32",
    ),
    "unknown device": (
        ["--devices", "gpu"],
        "device 'gpu' is not known",
        "write --devices cpu or --devices cuda:0,cuda:1; xpu:0 and mps are known too",
    ),
    "no time": (
        ["--timeout", 0],
        "timeout is 0 seconds, but must be finite and above 0",
        "try --timeout 600",
    ),
    "output that is a file": (
        ["--output", "empty.txt"],
        "output empty.txt is a file",
        "name a folder with --output",
    ),
    "output without a parent": (
        ["--output", "a/b"],
        "output a/b cannot be made: a does not exist",
        "make it first: mkdir -p a",
    ),
    "output without a name": (
        ["--output", ""],
        "output is empty",
        "name a folder with --output",
    ),
    "output that the system does not make": (
        ["--output", "/proc/foo"],
        "output /proc/foo cannot be used: No such file or directory",
        "choose another --output",
    ),
    "resume without a folder": (
        ["--resume"],
        "--resume is given without --output",
        "name the folder of the earlier run with --output",
    ),
    "missing metadata file": (
        ["--from-metadata", "no.png"],
        "metadata file no.png does not exist",
        "name a PNG, MP4 or JSON file that chords made",
    ),
    "metadata file that is no picture": (
        ["--from-metadata", "empty.txt"],
        "empty.txt is not a picture or video",
        "name a PNG, MP4 or JSON file that chords made",
    ),
    "metadata file without metadata": (
        ["--from-metadata", "bare.png"],
        "bare.png holds no chords metadata",
        "name a PNG, MP4 or JSON file that chords made without --no-metadata",
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with files that are of no use."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "empty.txt").touch()
    (folder / "latin1.txt").write_bytes("café".encode("latin-1"))
    Image.new("RGB", (2, 2)).save(folder / "bare.png")
    return folder


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_before_anything_starts(case, command, place):
    arguments, message, hint = REFUSED[case]
    before = sorted(place.rglob("*"))
    model = [] if "--model" in arguments else ["--model", "tiny"]
    devices = [] if "--devices" in arguments else ["--devices", "cpu"]
    done = command("image", *model, *devices, *arguments, cwd=place, code=2)
    assert (done.out, done.err) == ("", f"error: {message}\nhint: {hint}\n")
    assert sorted(place.rglob("*")) == before


def test_with_json_a_refusal_is_one_document(command, place):
    done = command("image", "--model", "tiny", "--num", 0, "--json", cwd=place, code=2)
    error = {"message": "num is 0, but must be at least 1", "hint": "try --num 1"}
    assert (json.loads(done.out), done.err) == ({"error": error}, "")


def test_a_model_that_is_not_on_this_machine_is_refused_with_how_to_fetch_it(command, place):
    preset = place / "far.yaml"
    preset.write_text(
        "{name: far, title: Far, kind: image, repo: nobody/nothing, pipeline: FluxPipeline,"
        " license: {name: MIT}, call: {num_inference_steps: 8}, prompts: [a cat]}"
    )
    done = command("image", "--model", "far.yaml", "--devices", "cpu", cwd=place, code=2)
    preset.unlink()
    assert done.err == (
        "error: nobody/nothing is not on this machine\n"
        "hint: fetch it first: chords download nobody/nothing, or add --download\n"
    )


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_preset_without_its_weights_is_refused(command, place, options):
    preset = place / "lost.yaml"
    preset.write_text(
        "{name: lost, title: Lost, kind: image, path: gone, pipeline: FluxPipeline,"
        " license: {name: MIT}, call: {num_inference_steps: 8}, prompts: [a cat]}"
    )
    line = ["image", "--model", "lost.yaml", "--devices", "cpu", *options]
    done = command(*line, cwd=place, code=2)
    preset.unlink()
    assert done.err == (
        f"error: {place / 'gone'} holds no model: there is no model_index.json\n"
        "hint: point the preset's path at a folder that `save_pretrained` wrote\n"
    )
