"""`chords download` as far as no hub is needed: what can be typed, and what is refused."""

from pathlib import Path

import pytest

OPTIONS = {
    *("--all", "--revision", "--variant", "--cache-dir", "--force", "--max-workers"),
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


def test_a_token_is_no_argument_for_the_whole_machine_to_see(chords):
    answer = chords("download", "flux", "--token", "hf_secret")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: No such option: --token")
    assert "hf_secret" not in answer.err


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
