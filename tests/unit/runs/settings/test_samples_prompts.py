import io

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.runs.settings.samples import read_prompts, resolve_prompts


def refusal(*args):
    with pytest.raises(UsageError) as caught:
        resolve_prompts(*args)
    return caught.value.spelled(as_option)


def test_prompts_on_the_command_line_win_over_the_presets_own():
    assert resolve_prompts(["a", "b"], None, ["demo"]) == ("a", "b")


def test_the_presets_own_prompts_serve_when_nothing_is_said():
    assert resolve_prompts([], None, ["demo", "other"]) == ("demo", "other")


def test_a_file_gives_one_prompt_a_line_without_blank_lines_and_comments(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("# shapes\n\n  a red circle  \n\t# not this\na blue # square\r\n")
    assert resolve_prompts([], str(file), ["demo"]) == ("a red circle", "a blue # square")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffa café\n".encode())
    assert read_prompts(str(file)) == ("a café",)


def test_a_dash_reads_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a cat\na dog\n")))
    assert read_prompts("-") == ("a cat", "a dog")


def test_empty_standard_input_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert refusal([], "-", ["demo"])[0] == "standard input holds no prompt"


def test_closed_standard_input_is_empty(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert refusal([], "-", ["demo"])[0] == "standard input holds no prompt"


def test_only_line_feeds_end_a_prompt(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("a cat\u2028on a mat\r\na dog\n", encoding="utf-8", newline="")
    assert read_prompts(str(file)) == ("a cat\u2028on a mat", "a dog")


def test_a_missing_file_is_refused():
    assert refusal([], "no.txt", ["demo"]) == (
        "prompt file no.txt does not exist",
        "check the path of --prompt-file",
    )


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    assert refusal([], str(tmp_path), []) == (
        f"prompt file {tmp_path} cannot be read: Is a directory",
        "check the path of --prompt-file",
    )


@pytest.mark.parametrize("text", ["", "\n \n", "# only\n#comments\n"])
def test_a_file_without_a_prompt_is_refused(tmp_path, text):
    file = tmp_path / "empty.txt"
    file.write_text(text)
    assert refusal([], str(file), ["demo"]) == (
        f"prompt file {file} holds no prompt",
        "write one prompt a line; blank lines and lines that begin with # are skipped",
    )


def test_a_file_that_is_not_utf8_is_refused_with_the_byte(tmp_path):
    file = tmp_path / "latin1.txt"
    file.write_bytes("a café".encode("latin-1"))
    assert refusal([], str(file), []) == (
        f"prompt file {file} is not UTF-8 text: byte 0xe9 at 5",
        "save it as UTF-8",
    )


def test_arguments_and_a_file_exclude_each_other():
    assert refusal(["a", "b"], "p.txt", []) == (
        "prompts are given both as arguments (2) and by --prompt-file p.txt",
        "give one of them",
    )


@pytest.mark.parametrize("empty", ["", "   "])
def test_an_empty_prompt_is_refused_by_its_place(empty):
    assert refusal(["a cat", empty], None, []) == (
        "prompt 2 is empty",
        'say what to show, as in "a red circle"',
    )


def test_an_argument_that_is_not_utf8_is_refused():
    assert refusal(["caf\udce9"], None, []) == (
        "prompt 1 is not UTF-8 text",
        "use a terminal with a UTF-8 locale",
    )


def test_no_prompt_at_all_is_refused():
    assert refusal([], None, []) == (
        "there is no prompt, and the preset has none of its own",
        'give one in quotes, as in "a red circle"',
    )
