import os
from pathlib import Path

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import ChordsError, UsageError
from chords_cli.media.files import check_alone, new_folder, write_file


def test_a_file_is_written_with_nothing_left_beside_it(tmp_path):
    write_file(tmp_path / "a.png", b"picture")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", b"picture")]


def test_a_file_that_is_there_is_not_replaced_unless_asked(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(ChordsError) as caught:
        write_file(path, b"other")
    hint = "add --overwrite to replace it"
    assert caught.value.spelled(as_option) == (f"{path} exists already", hint)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", b"mine")]


def test_a_file_that_is_there_is_replaced_when_asked(tmp_path):
    write_file(tmp_path / "a.png", b"one")
    write_file(tmp_path / "a.png", b"two", replace=True)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", b"two")]


def test_no_partial_file_stays_when_the_disk_fails(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ChordsError, match="No space left on device"):
        write_file(tmp_path / "a.png", b"picture")
    assert list(tmp_path.iterdir()) == []


def test_no_partial_file_stays_when_the_user_interrupts(tmp_path, monkeypatch):
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a.png", b"picture")
    assert list(tmp_path.iterdir()) == []


def test_a_file_takes_its_name_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    write_file(tmp_path / "a.png", b"one")
    with pytest.raises(ChordsError):
        write_file(tmp_path / "a.png", b"two")
    assert (tmp_path / "a.png").read_bytes() == b"one"


def test_a_folder_that_stays_empty_is_removed_with_its_parent(tmp_path):
    folder = tmp_path / "outputs" / "run"
    with new_folder(folder):
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_stays(tmp_path):
    folder = tmp_path / "outputs" / "run"
    with new_folder(folder):
        (folder / "a.png").touch()
    assert (folder / "a.png").exists()


def test_a_folder_that_was_there_before_stays_even_when_empty(tmp_path):
    with new_folder(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_user(tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "run"
    with pytest.raises(UsageError) as caught, new_folder(Path(folder)):
        pass
    assert caught.value.message == f"output {folder} cannot be made: Not a directory"


def test_a_folder_is_written_by_one_run_at_a_time_and_nothing_of_a_lock_is_left(tmp_path):
    folder = tmp_path / "out"
    with new_folder(folder):
        (folder / "a.png").touch()
        for enter in (new_folder(folder).__enter__, lambda: check_alone(folder)):
            with pytest.raises(UsageError, match=r"(?m)another run writes to .*out$") as caught:
                enter()
        assert caught.value.hint == "wait until it has ended, or choose another output"
    check_alone(folder)
    assert [path.name for path in folder.iterdir()] == ["a.png"]


def test_what_a_killed_run_has_half_written_is_removed_by_the_next(tmp_path):
    names = [".0001-a.png.0123abcd.part", "mine.part", ".mine.part", ".0001-a.png.0123abcd"]
    for name in names:
        (tmp_path / name).touch()
    with new_folder(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {*names[1:]}
