"""Prompts that break names, terminals, pages or files elsewhere: made, named and kept as typed."""

import html
import json
import re
import unicodedata

import pytest

from chords_cli.media.metadata import read_metadata, video_tags
from chords_cli.media.videos import mp4_bytes
from chords_cli.ui.page.page import render
from tests.doubles.comparisons import made_up
from tests.fuzz import made

PROMPTS = {
    "100,000 characters": "a red fox and a blue cat " * 4000,
    "a long word": "a" * 100_000,
    "only emoji": "\U0001f98a\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3f4",
    "100,000 emoji": "\U0001f98a" * 100_000,
    "right to left": "\u062b\u0639\u0644\u0628 \u05e9\u05d5\u05e2\u05dc",
    "a turn of what is read": "fox \u202egnp.exe\u2066",
    "control characters": "a \x1b[31mred\x1b]0;title\x07 fox\x7f\x9b2J\b\b",
    "newlines": "a fox\nerror: no\r\nhint: no\u2028\u2029\x85\x0b\x0c",
    "a null byte": "a\0fox",
    "combining marks": "e" + "\u0301" * 300,
    "a path": "../../x",
    "an absolute path": "/etc/passwd",
    "a path of Windows": r"C:\con\..\nul.txt",
    "a device": "CON",
    "a device with an ending": "nul.txt",
    "leading dashes": "--overwrite",
    "a dash": "-",
    "formats": "%s %00 %n {cores} {{cores}} {0}",
    "a home": "~",
    "a variable": "$HOME `id` $(id) ; rm",
    "markup": "[red]fox[/] [/] :fox: <script>alert(1)</script> &amp; {{ 7 * 7 }} \"'",
    "what separates tags": "=;#\\\n;FFMETADATA1\ntitle=x\n[STREAM]",
    "dots": "...",
    "no letter": "?*<>|:",
}

_REFUSED = {"empty": "", "spaces": "  ", "other spaces": "\u2003\u3000", "a surrogate": "\ud800"}


@pytest.fixture(scope="module")
def folder(command, tmp_path_factory):
    """The results of all of them, made by one core."""
    place = tmp_path_factory.mktemp("odd")
    lines = (json.dumps({"prompt": prompt}) for prompt in PROMPTS.values())
    (place / "odd.jsonl").write_text("\n".join(lines))
    options = ("--cores", 1, "--steps", 1, "--devices", "cpu", "--output", "out")
    answer = command("image", "--model", "tiny", "--prompt-file", "odd.jsonl", *options, cwd=place)
    shown = {letter for letter in answer.err + answer.out if unicodedata.category(letter) == "Cc"}
    assert shown <= {"\n"}
    return place / "out"


@pytest.fixture(scope="module")
def record(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", PROMPTS)
def test_an_odd_prompt_is_kept_as_typed_in_a_file_with_a_safe_name(folder, record, case):
    number = [*PROMPTS].index(case)
    entry = record["prompts"][number]
    assert entry["prompt"] == PROMPTS[case]
    assert record["settings"]["prompts"][number] == PROMPTS[case]
    # numbers first: no file is called as a device of Windows is
    assert re.fullmatch(rf"{number + 1:04d}-[a-z0-9]+(-[a-z0-9]+)*-s42\.png", entry["output"])
    assert len(entry["output"]) <= 60
    assert read_metadata(folder / entry["output"])["prompt"] == PROMPTS[case]


def test_only_the_results_are_in_the_folder(folder, record):
    names = {entry["output"] for entry in record["prompts"]}
    assert {path.name for path in folder.iterdir()} == names | {"run.json"}
    assert {path.name for path in folder.parent.iterdir()} == {"out", "odd.jsonl"}


@pytest.mark.parametrize("case", ["100,000 emoji", "all others"])
def test_a_video_carries_odd_prompts_as_typed(tmp_path, case):
    others = (prompt for prompt in PROMPTS.values() if len(prompt) < 1000)
    prompt = PROMPTS.get(case, "\n".join(others))
    document = made.recipe("video") | {"prompt": prompt}
    path = tmp_path / "a.mp4"
    path.write_bytes(mp4_bytes(made.CLIP, 8, video_tags(document)))
    assert read_metadata(path) == document


@pytest.mark.parametrize("case", PROMPTS)
def test_the_page_of_a_comparison_shows_an_odd_prompt_as_text(case):
    page = render(*made_up("image", PROMPTS[case]))
    shown = html.escape(PROMPTS[case]).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    assert shown in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("case", _REFUSED)
def test_a_prompt_of_nothing_is_refused(command, tmp_path, case):
    answer = command("image", "--devices", "cpu", "--", _REFUSED[case], cwd=tmp_path, code=2)
    assert re.fullmatch(r"error: prompt 1 is .+\nhint: .+\n", answer.err)
