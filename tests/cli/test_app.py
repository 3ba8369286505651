"""What holds for every command: help, version, errors, exit codes."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import chords_cli
from chords_cli.cli import app
from chords_cli.errors import Interrupted

HEAVY = {"torch", "diffusers", "transformers", "yaml", "numpy", "huggingface_hub"}


def python(code: str, **environment: str) -> str:
    """Standard output of a new interpreter."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "80", **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def loaded_after(*arguments: str) -> set[str]:
    """The modules that are loaded once a command line has been answered."""
    code = f"""
import sys
from chords_cli.cli.app import run
assert run({list(arguments)!r}) == 0
sys.stdout.write(chr(10) + " ".join(sys.modules))
"""
    return set(python(code).splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["image", "--help"], ["--version"]])
def test_help_and_version_import_nothing_heavy(arguments):
    assert not loaded_after(*arguments) & HEAVY


def test_help_does_not_import_pydantic():
    assert "pydantic" not in loaded_after("--help")


@pytest.mark.parametrize("arguments", [["plan"], ["presets"]])
def test_plan_and_presets_import_neither_torch_nor_diffusers(arguments):
    assert not loaded_after(*arguments) & {"torch", "diffusers", "transformers"}


def test_version_is_the_packages_own(chords):
    answer = chords("--version")
    assert (answer.code, answer.out) == (0, f"chords {chords_cli.__version__}\n")


def test_module_runs_as_the_command_does():
    assert (
        subprocess.run(
            [sys.executable, "-m", "chords_cli", "--version"], capture_output=True, check=True
        ).stdout.decode()
        == f"chords {chords_cli.__version__}\n"
    )


def test_help_lists_the_commands_when_nothing_is_typed(chords):
    answer = chords()
    assert answer.code == 0
    for command in ("image", "plan", "presets"):
        assert f"│ {command}" in answer.out


IMAGE_OPTIONS = {
    *("--model", "-m", "--prompt-file", "--negative-prompt", "--guidance", "-g"),
    *("--lora", "--algo", "--cores", "-k", "--steps", "--init-t", "--rounds", "--speedup"),
    *("--image", "--mask", "--control", "--strength", "--exact"),
    *("--stop-index", "--stop-residual"),
    *("--seed", "-s", "--num", "-n", "--width", "-W", "--height", "-H"),
    *("--output", "-o", "--all-cores", "--save-latents", "--resume", "--overwrite"),
    *(
        "--no-metadata",
        "--from-metadata",
        "--from-latent",
        "--devices",
        "--dtype",
        "--context",
        "--guidance-split",
        "--no-guidance-split",
        "--nnodes",
        "--node-rank",
        "--master-addr",
        "--timeout",
        "--download",
    ),
    *("--dry-run", "--json", "--quiet", "-q", "--verbose", "-v", "--help", "-h"),
}


def test_help_of_image_has_every_option_of_the_contract_and_no_other(chords, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = [line for line in chords("image", "--help").out.splitlines() if line[:3] == "│ -"]
    hidden = [
        line for line in chords("image", "--help").out.splitlines() if "--no-metadata" in line
    ]
    words = {word for line in [*lines, *hidden] for word in line.split() if word[0] == "-"}
    assert words == IMAGE_OPTIONS


def test_help_of_the_program_shows_no_type_for_flags(chords):
    assert "<bool>" not in chords("--help").out


@pytest.mark.parametrize("command", ["image", "video", "compare", "plan", "presets", "download"])
def test_help_says_defaults_and_breaks_no_word_at_80_columns(chords, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    wide = chords(command, "--help").out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = chords(command, "--help").out
    assert not re.search(r"<\w+(\[\w+\])?>", wide + narrow)
    words = set(re.findall(r"[^\s│╭╮╰╯─]+", wide))
    assert set(re.findall(r"[^\s│╭╮╰╯─]+", narrow)) == words
    if command in ("image", "video"):
        assert re.search(r"│ +prompts\.\.\. +What to make, one result per prompt\.", wide)
        assert "How many results per prompt. Default: 1." in wide
        assert "Default: 600." in wide
        assert "Steps of the sequential sampler: the grid. Default: the preset's." in wide


@pytest.mark.parametrize("command", ["image", "video", "compare", "plan", "presets", "download"])
def test_help_cuts_no_name_in_a_narrow_or_dumb_terminal(chords, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    options = set(re.findall(r" (--[a-z-]+)", chords(command, "--help").out))
    monkeypatch.setenv("COLUMNS", "60")
    narrow = chords(command, "--help").out
    assert options <= set(re.findall(r"(--[a-z-]+)", narrow))
    assert max(map(len, narrow.splitlines())) <= 60
    assert not re.search(r"[│…]|\[/?bold", narrow)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    assert "│" not in chords(command, "--help").out


def test_prompts_of_one_word_may_be_one_whose_quotes_were_forgotten(chords):
    answer = chords("image", "a", "red", "heart", "--dry-run", "--devices", "cpu")
    assert "3 prompts: 'a', 'red', 'heart'; quote a prompt of several words" in answer.err
    assert "quote" not in chords("image", "a red heart", "a hen", "--dry-run").err
    assert chords("image", "a", "red", "heart", "--dry-run", "--quiet").err == ""


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["image", "--xyz"], "No such option: --xyz", "`chords image --help`"),
        (["image", "--coers", "3"], "No such option: --coers", "did you mean --cores? `chords"),
        (
            ["image", "--frames", "9"],
            "No such option: --frames",
            "`chords video` or `chords compare`",
        ),
        (["image", "--gif"], "No such option: --gif", "`chords video` has --gif; `chords image"),
        (["compare", "--rezume"], "No such option: --rezume", "`chords compare --help`"),
        (
            ["plan", "--cores", "x"],
            "Invalid value for '--cores' / '-k': not a whole number",
            "plan",
        ),
        (
            ["image", "--guidance", "x"],
            "Invalid value for '--guidance' / '-g': not a number",
            "`chords image --help`",
        ),
        (
            ["plan", "--algo", "srds"],
            "Invalid value for '--algo': 'srds' is not one of 'sequential', 'chords', 'wavefront'",
            "`chords plan --help`",
        ),
        (["plan", "--init-t"], "Option '--init-t' requires an argument", "`chords plan --help`"),
        (["--xyz"], "No such option: --xyz", "`chords --help`"),
        (["sing"], "No such command 'sing'", "`chords --help`"),
        (
            ["image", "--quiet", "--verbose"],
            "--verbose and --quiet exclude each other",
            "give one of them",
        ),
        (
            ["image", "--json", "--verbose"],
            "--verbose and --json exclude each other",
            "give one of them",
        ),
    ],
)
def test_wrong_usage_is_two_lines_on_stderr_and_exit_2(chords, arguments, message, hint):
    if "--json" in arguments:
        document = chords(*arguments).document
        assert document == {"error": {"message": message, "hint": hint}}
        return
    answer = chords(*arguments)
    first, second = answer.err.splitlines()
    assert (answer.code, answer.out, first) == (2, "", f"error: {message}")
    assert second.startswith("hint: ")
    assert hint in second


LOCAL = """
name: local
title: Local
kind: image
path: .
pipeline: FluxPipeline
license: {name: MIT}
call: {height: 100, width: 96, num_inference_steps: 50}
limits: {size_multiple: SIZE}
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--devices", "{devices}"], "device '{devices}' is not known"),
        (["--prompt-file", "{prompt_file}"], "prompt file {prompt_file} does not exist"),
        (["--from-metadata", "{metadata}.png"], "{metadata}.png holds no chords metadata"),
        (["--from-metadata", "{from_metadata}"], "metadata file {from_metadata} is a folder"),
        (["--from-latent", "{from_latent}"], "latent file {from_latent} is a folder"),
        (
            ["--lora", "{loras}.safetensors=nan"],
            "the scale of LoRA {loras}.safetensors is nan, but must be a finite number",
        ),
        (
            ["--lora", "{loras}"],
            "LoRA {loras} holds 2 safetensors files: a.safetensors, {loras}.safetensors",
        ),
        (
            ["--model", "{width}{height}.yaml"],
            "{width}{height}.yaml: height is 100, but this model takes a multiple of 16",
        ),
        (
            ["compare", "--arm", "chords {arm}"],
            "arm 'chords {arm}': '{arm}' is not name=value",
        ),
        (
            ["download", "./{revision}.yaml", "--revision", "{revision:name}"],
            "revision is {revision:name}, but ./{revision}.yaml is a local folder",
        ),
    ],
)
def test_braces_in_what_the_user_typed_are_shown_as_they_are(
    chords, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    for folder in ("{from_metadata}", "{from_latent}", "{loras}"):
        Path(folder).mkdir()
    for file in ("a.safetensors", "{loras}.safetensors"):
        Path("{loras}", file).touch()
    Image.new("RGB", (1, 1)).save("{metadata}.png")
    Path("{width}{height}.yaml").write_text(LOCAL.replace("SIZE", "16"))
    Path("{revision}.yaml").write_text(LOCAL.replace("SIZE", "1"))
    answer = chords(*([] if arguments[0][0] != "-" else ["image"]), *arguments)
    assert answer.code == 2
    assert answer.err.splitlines()[0] == f"error: {message}"


def test_error_is_one_document_on_stdout_with_json(chords):
    answer = chords("plan", "--cores", "0", "--json")
    assert (answer.code, answer.err) == (2, "")
    assert answer.document == {
        "error": {
            "message": "cores is 0, but a run has at least 1 core",
            "hint": "try --cores 4",
        }
    }


def test_json_after_two_dashes_is_a_prompt_and_no_option(chords):
    answer = chords("image", "--steps", "0", "--", "--json")
    assert answer.code == 2
    assert answer.err.startswith("error: steps is 0")


def broken() -> None:
    raise RuntimeError("the moon is full")


def test_unexpected_error_is_one_line_and_a_hint(chords, monkeypatch):
    monkeypatch.setattr(app.app.registered_commands[1], "callback", broken)
    answer = chords("broken")
    assert answer.code == 1
    assert answer.err == (
        "error: RuntimeError: the moon is full\n"
        "hint: this is a bug; CHORDS_DEBUG=1 for the traceback\n"
    )


def test_unexpected_error_shows_its_traceback_when_debugging(chords, monkeypatch):
    monkeypatch.setattr(app.app.registered_commands[1], "callback", broken)
    monkeypatch.setenv("CHORDS_DEBUG", "1")
    assert "Traceback (most recent call last)" in chords("broken").err


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_a_signal_is_a_plain_line_and_the_exit_code_of_shells(
    chords, monkeypatch, number, code, message
):
    def interrupted() -> None:
        raise Interrupted(number)

    monkeypatch.setattr(app.app.registered_commands[1], "callback", interrupted)
    answer = chords("interrupted")
    assert (answer.code, answer.out, answer.err) == (code, "", f"error: {message}\n")


_FULL = Path("/dev/full")


@pytest.mark.skipif(not _FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["plan"], 1, "error: standard output cannot be written: No space left"),
        (
            ["plan", "--json"],
            1,
            "error: standard output cannot be written: No space left",
        ),
        (["plan", "--json", "--cores", "0"], 2, "error: cores is 0"),
    ],
)
def test_full_disk_behind_stdout_is_an_error_in_two_lines(arguments, code, said):
    with _FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "chords_cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (code, 2)
    assert lines[0].startswith(said)


def test_reader_that_leaves_early_is_met_in_silence():
    command = f"{sys.executable} -m chords_cli plan --json --steps 500 | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("{\n", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("chords image --model demo", "demo-image"),
        ("chords video --model demo", "demo-video"),
        ("chords image --algo s", "sequential"),
        ("chords image --dtype bf", "bfloat16"),
        ("chords image --devices c", "cpu"),
        ("chords pre", "presets"),
    ],
)
def test_shell_completion_offers(typed, offered):
    words = typed.split()
    found = python(
        "from chords_cli.cli.app import main; main()",
        _CHORDS_COMPLETE="complete_bash",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(words) - 1),
    )
    assert offered in found.split()
    if "--model" in typed:
        assert found.split() == [offered]
