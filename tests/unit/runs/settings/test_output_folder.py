import os
from pathlib import Path

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.runs.settings.output_folder import check_free, check_writable

FREE_HINT = (
    "choose another --output, add --resume to keep what is done, or --overwrite to replace it"
)


def refusal(function, *args):
    with pytest.raises(UsageError) as caught:
        function(*args)
    return caught.value.spelled(as_option)


def test_a_folder_that_is_there_or_can_be_made_is_accepted(tmp_path, monkeypatch):
    check_writable(tmp_path)
    check_writable(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    check_writable(Path("outputs/new"))
    check_writable(Path("new"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    file = tmp_path / "out"
    file.touch()
    assert refusal(check_writable, file) == (
        f"output {file} is a file",
        "name a folder with --output",
    )


def test_a_folder_without_a_parent_is_refused(tmp_path):
    folder = tmp_path / "a" / "b"
    assert refusal(check_writable, folder) == (
        f"output {folder} cannot be made: {folder.parent} does not exist",
        f"make it first: mkdir -p {folder.parent}",
    )


def test_a_folder_in_a_file_is_refused(tmp_path):
    (tmp_path / "out").touch()
    for folder in (tmp_path / "out" / "a", tmp_path / "out" / "a" / "b"):
        assert refusal(check_writable, folder) == (
            f"output {folder} cannot be made: {tmp_path / 'out'} is a file",
            "name a folder with --output",
        )


def test_a_name_that_no_file_system_takes_is_refused():
    assert refusal(check_writable, Path("x" * 300)) == (
        f"output {'x' * 57}... cannot be used: File name too long",
        "choose another --output",
    )


def test_a_folder_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert refusal(check_writable, tmp_path / "new") == (
        f"output {tmp_path / 'new'} cannot be written: {tmp_path} is read-only for you",
        "choose another --output",
    )


def test_a_folder_in_which_no_file_can_be_made_is_refused():
    with pytest.raises(UsageError, match=r"^output /proc cannot be used: "):
        check_writable(Path("/proc"))


def test_names_that_are_free_are_accepted(tmp_path):
    check_free(tmp_path, ["a.png", "run.json"])
    check_free(tmp_path / "new", ["a.png"])


def test_a_name_that_is_taken_is_refused(tmp_path):
    (tmp_path / "b.png").touch()
    message = f"{tmp_path / 'b.png'} exists already"
    hint = "choose another --output, or --overwrite to replace it"
    assert refusal(check_free, tmp_path, ["a.png", "b.png"]) == (message, hint)


def test_of_several_names_that_are_taken_the_first_and_the_number_are_told(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").touch()
    message = f"{tmp_path / 'a.png'} and 2 more exist already"
    names, hint = (
        ["a.png", "b.png", "c.png"],
        "choose another --output, or --overwrite to replace it",
    )
    assert refusal(check_free, tmp_path, names) == (message, hint)


def test_a_command_that_can_keep_what_is_done_offers_it(tmp_path):
    (tmp_path / "b.png").touch()
    with pytest.raises(UsageError) as caught:
        check_free(tmp_path, ["b.png"], resumable=True)
    assert caught.value.spelled(as_option)[1] == FREE_HINT
