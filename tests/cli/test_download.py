"""`chords download` as far as no hub is needed: what can be typed, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

OPTIONS = {
    *("--all", "--revision", "--token", "--cache-dir", "--force", "--max-workers"),
    *("--dry-run", "--json", "--quiet", "-q", "--help", "-h"),
}


@pytest.fixture
def folder_preset(tmp_path) -> Path:
    """A preset whose model is a folder."""
    preset = tmp_path / "near.yaml"
    preset.write_text(
        "{name: near, title: Near, kind: image, path: here, pipeline: FluxPipeline,"
        " license: {name: MIT}, call: {num_inference_steps: 8}, prompts: [a cat]}"
    )
    return preset


def test_help_has_every_option_and_no_other(chords, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = [line for line in chords("download", "--help").out.splitlines() if line[:3] == "│ -"]
    assert {word for line in lines for word in line.split() if word[0] == "-"} == OPTIONS


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["fluxx"], "unknown model 'fluxx'", "did you mean flux"),
        (["flux", "--all"], "models are named and --all is given", "leave out one of them"),
        (
            ["flux", "--max-workers", "0"],
            "max-workers is 0, but must be at least 1",
            "try --max-workers 8",
        ),
        (["gone.yaml"], "preset file gone.yaml does not exist", "`chords presets` lists"),
    ],
)
def test_wrong_usage_is_exit_2_in_two_lines(chords, arguments, message, hint):
    answer = chords("download", *arguments)
    assert (answer.code, answer.out) == (2, "")
    first, second = answer.err.splitlines()
    assert first == f"error: {message}"
    assert second.startswith(f"hint: {hint}")


def test_a_folder_is_there_and_has_no_revisions(chords, folder_preset):
    answer = chords("download", str(folder_preset), "--quiet")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"{folder_preset.parent / 'here'}\n"
    answer = chords("download", str(folder_preset), "--revision", "v1")
    assert answer.code == 2
    assert answer.err == (
        f"error: revision is v1, but {folder_preset} is a local folder\n"
        "hint: leave out --revision\n"
    )


def test_a_folder_has_nothing_to_be_verified_with(chords, folder_preset):
    answer = chords("presets", str(folder_preset), "--verify")
    assert answer.code == 2
    assert answer.err == (
        "error: near is a local folder, so there are no hashes to compare it with\n"
        "hint: leave out --verify\n"
    )


def test_verify_needs_a_name(chords):
    answer = chords("presets", "--verify")
    assert (answer.code, answer.err) == (
        2,
        "error: --verify needs the name of a preset\nhint: try chords presets flux --verify\n",
    )


def test_a_secret_argument_disappears_from_the_process_list():
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from chords_cli.cli.secrets import hide_argument\n"
        "hide_argument('hf_secret')\n"
        "print(Path('/proc/self/cmdline').read_text(), sys.argv[1:])"
    )
    line = [sys.executable, "-c", program, "--token=hf_secret", "hf_secret", "after"]
    out = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    seen, kept = out.rsplit(" [", 1)
    assert "hf_secret" not in seen.split("\n", 5)[-1]
    assert "--token=*********\0*********\0after" in seen
    assert kept == "'--token=hf_secret', 'hf_secret', 'after']\n"
