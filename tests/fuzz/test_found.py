"""What fuzzing has found, each once: refused with an error and a hint, before anything starts."""

import json

import pytest

from tests.fuzz import made

OPTIONS = ("--devices", "cpu", "--dry-run")
DEEP = "[" * 1200

PRESETS = {
    "a key with a line break": ('"a\\nb": 1\n', r"mine.yaml: a\nb is not a key of presets"),
    "a key that steers the terminal": ('"\\e[31m": 1\n', r"mine.yaml: \x1b[31m is not a key"),
    "deep lists": (DEEP, "mine.yaml: not YAML: it is nested too deeply"),
    "a list in itself": ("name: &a [*a]\n", "mine.yaml:1: it is nested too deeply, or within"),
    "a long number": (f"seed: {'9' * 5000}\n", "mine.yaml:1: a number of 5000 characters is too"),
    "a date that does not exist": ("seed: 2001-99-99\n", "mine.yaml: not YAML: month must be"),
    "a number that is none": ('seed: !!int ""\n', "mine.yaml: not YAML: "),
    "a null byte": ("a: \0\n", "mine.yaml: not YAML: unacceptable character"),
}


@pytest.mark.parametrize("case", PRESETS)
def test_a_preset_is_refused(line, case):
    text, message = PRESETS[case]
    (line.folder / "mine.yaml").write_text(text)
    answer = line("image", "a", "--model", "mine.yaml", *OPTIONS)
    assert answer.err.startswith(f"error: {message}")


def test_a_preset_whose_name_is_too_long_for_a_file_is_refused(line):
    (line.folder / "mine.yaml").write_text(f"name: {'a' * 300}\n")
    answer = line("image", "a", "--model", "mine.yaml", *OPTIONS)
    assert "but must be at most 100 lower-case letters, digits, dots and dashes" in answer.err


def test_an_output_whose_name_is_too_long_is_refused(line):
    answer = line("image", "a", "--output", "a" * 300, *OPTIONS)
    assert answer.code == 2


LINES = {
    "deep lists": f'{{"prompt": {DEEP}',
    "a null byte in a name": '{"prompt": "a", "image": "\\u0000.png"}',
    "a long name": json.dumps({"prompt": "a", "image": "a" * 100_000}),
    "a long value": json.dumps({"prompt": "a", "image": {"a" * 5000: 1}}),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_of_a_prompt_file_is_refused(line, case):
    (line.folder / "a.jsonl").write_text(LINES[case])
    assert line("image", "--prompt-file", "a.jsonl", *OPTIONS).code == 2


def test_a_prompt_file_with_more_prompts_than_a_run_makes_is_refused(line):
    (line.folder / "many.txt").write_text("a\n" * 100_001)
    answer = line("image", "--prompt-file", "many.txt", *OPTIONS)
    assert answer.err.startswith("error: there are 100001 prompts, but a run makes at most 100000")


def test_metadata_that_is_no_unicode_is_refused(line):
    (line.folder / "a.json").write_text('{"prompt": "\\ud800"}')
    answer = line("image", "--from-metadata", "a.json", *OPTIONS)
    assert "cannot be used: its text is missing or wrong" in answer.err


@pytest.mark.parametrize("ending", ["json", "png", "safetensors"])
def test_metadata_that_is_nested_deeply_is_refused(line, ending):
    bare = {
        "json": DEEP.encode(),
        "png": made.bare_picture(chords=DEEP),
        "safetensors": len(DEEP).to_bytes(8, "little") + DEEP.encode(),
    }
    (line.folder / f"deep.{ending}").write_bytes(bare[ending])
    assert line("image", "--from-metadata", f"deep.{ending}", *OPTIONS).code == 2


START = "name: x\ntitle: X\nkind: image\npipeline: FluxPipeline\ncall: {num_inference_steps: 2}\n"


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x", '"a\\0"'])
def test_a_path_that_cannot_be_is_refused(line, path):
    (line.folder / "mine.yaml").write_text(f"{START}path: {path}\n")
    assert line("image", "a", "--model", "mine.yaml", *OPTIONS).code == 2


def test_a_lora_of_an_unknown_user_is_refused(line):
    answer = line("image", "a", "--lora", "~nobody-of-that-name/x", *OPTIONS)
    assert answer.err.startswith("error: LoRA ~nobody-of-that-name/x")


def test_more_devices_for_a_core_than_there_can_be_are_refused(line):
    answer = line("image", "a", "--context", "1000000", *OPTIONS)
    assert answer.err.startswith("error: context is 1000000, but a core has at most 256 devices")


def test_starts_of_thousands_of_digits_are_refused(line):
    answer = line("plan", "--init-t", f"0-{'9' * 5000}")
    assert "is not a list of whole numbers joined by dashes" in answer.err


def test_a_wrong_device_is_refused_before_the_machine_is_asked(line):
    answer = line("image", "a", "--dry-run", "--devices", "cuda:0,gpu")
    assert answer.err.startswith("error: device 'gpu' is not known")


@pytest.mark.parametrize("command", ["plan", "image"])
def test_a_guidance_without_end_asks_for_every_step(line, command):
    words = ("--guidance", "1E308", "--steps", "20", *(OPTIONS if command == "image" else ()))
    answer = line(command, *(("a",) if command == "image" else ()), *words)
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("value", [[], {}, True, "1", float("nan")])
@pytest.mark.parametrize("name", ["", "strength"])
def test_a_strength_of_another_type_in_metadata_is_refused_or_left_out(line, name, value):
    document = made.recipe("image")
    document["call"][name] = value
    (line.folder / "a.json").write_text(json.dumps(document))
    line("image", "--from-metadata", "a.json", "--model", "demo-image", *OPTIONS)
