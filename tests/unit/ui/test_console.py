"""The one sink: which stream gets what."""

import json

import pytest

from chords_cli.ui.console import Console
from chords_cli.ui.views.tables import table


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")


def test_data_goes_to_stdout_and_talk_to_stderr(capsys):
    console = Console()
    console.line("outputs/a-very-long-path/to-a-picture.png")
    console.say("4 images in 12.3 s, and more to say")
    captured = capsys.readouterr()
    assert captured.out == "outputs/a-very-long-path/to-a-picture.png\n"
    assert captured.err == "4 images in 12.3 s, and more to say\n"


def test_talk_is_wrapped_between_words_on_a_terminal_and_paths_are_not(capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    console = Console()
    path, wide = "outputs/a-very-long-path/to-a-picture.png", "\u732b" * 15
    console.say(f"4 images in 12.3 s, and more to say\n{path}\n{wide}\n\nend")
    told = "4 images in 12.3 s, \nand more to say"
    assert capsys.readouterr().err == f"{told}\n{path}\n{wide}\n\nend\n"


@pytest.mark.parametrize("mode", ["json", "quiet"])
def test_talk_is_not_for_programs(capsys, mode):
    Console(mode).say("hello")
    assert capsys.readouterr() == ("", "")


def test_markup_and_emoji_codes_are_plain_text_everywhere(capsys):
    text = "[bold]x[/bold] :smile: [/]"
    console = Console()
    console.line(text)
    console.say(text)
    console.show(table(("x",), [(text,)]))
    captured = capsys.readouterr()
    assert captured.err == f"{text}\n"
    assert captured.out.startswith(f"{text}\n")
    assert " ".join(captured.out.split()[-3:]) == text


def test_document_is_json_whatever_the_width(capsys):
    document = {"text": "é" * 50, "numbers": [1, 2.5, None, True]}
    Console("json").document(document)
    assert json.loads(capsys.readouterr().out) == document


@pytest.mark.parametrize("mode", ["human", "quiet"])
def test_error_is_two_lines_on_stderr(capsys, mode):
    Console(mode).error("steps is 0, but a grid has at least 1 step", "try --steps 50")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: steps is 0, but a grid has at least 1 step\nhint: try --steps 50\n"
    )


def test_error_is_a_document_in_json_mode(capsys):
    Console("json").error("no", "yes")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": {"message": "no", "hint": "yes"}}
    assert captured.err == ""
