"""Links that others have put into a folder of results lead nothing out of it."""

import os
import stat
from pathlib import Path

import pytest

from chords_cli.engine import logs
from chords_cli.errors import ChordsError
from chords_cli.media.files import append_to_file, new_folder, write_file
from chords_cli.records.recipe import InputRecord
from chords_cli.runs.settings import finding


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that no run may change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    file = tmp_path / "outside/precious"
    file.write_text("mine")
    return file


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("kind", ["file", "nothing", "hard link"])
def test_a_link_in_the_place_of_a_picture_is_replaced_or_refused(kind, replace, outside):
    path = outside.parents[1] / "out/0001.png"
    if kind == "hard link":
        path.hardlink_to(outside)
    else:
        path.symlink_to(outside if kind == "file" else outside.with_name("new"))
    if replace:
        write_file(path, b"picture", replace=True)
        assert not path.is_symlink()
        assert path.read_bytes() == b"picture"
    else:
        with pytest.raises(ChordsError, match="exists already"):
            write_file(path, b"picture")
    assert outside.read_text() == "mine"
    assert [file.name for file in outside.parent.iterdir()] == ["precious"]


@pytest.mark.parametrize("kind", ["symbolic", "dangling", "hard", "pipe", "folder"])
def test_the_journal_of_a_run_is_not_written_through_a_link(kind, outside):
    path = outside.parents[1] / "out/run.jsonl"
    match kind:
        case "symbolic":
            path.symlink_to(outside)
        case "dangling":
            path.symlink_to(outside.with_name("new"))
        case "hard":
            path.hardlink_to(outside)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.symlink_to(outside.parent)
    with pytest.raises(OSError, match=r".+"):
        append_to_file(path, b"line\n")
    assert outside.read_text() == "mine"
    assert [file.name for file in outside.parent.iterdir()] == ["precious"]


def test_a_journal_is_appended_to(outside):
    path = outside.parents[1] / "out/run.jsonl"
    append_to_file(path, b"1\n")
    append_to_file(path, b"2\n")
    assert path.read_bytes() == b"1\n2\n"


def test_parts_of_files_that_somebody_else_has_made_are_not_written_to(outside, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 8)
    path = outside.parents[1] / "out/0001.png"
    path.with_name(".0001.png.00000000.part").symlink_to(outside)
    with pytest.raises(ChordsError, match="exists already"):
        write_file(path, b"picture")
    assert outside.read_text() == "mine"
    path.with_name(".0002.png.00000000.part").symlink_to(outside.parent)
    with new_folder(path.parent):
        pass
    assert outside.read_text() == "mine"


def test_a_folder_that_another_user_has_left_in_tmp_is_not_touched(monkeypatch, tmp_path):
    foreign = tmp_path / "chords-run-theirs"
    foreign.mkdir()
    os.mkfifo(foreign / "host")  # whoever reads it waits
    os.utime(foreign, (0, 0))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    logs._remove_left(str(tmp_path))
    assert foreign.exists()


def test_compiled_code_is_kept_where_nobody_else_can_have_put_any(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert logs.compiled_place() == {
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache/chords/compiled")
    }
    monkeypatch.setattr(os, "getuid", lambda: 12345)  # a home of somebody else
    place = Path(logs.compiled_place()["TORCHINDUCTOR_CACHE_DIR"])
    assert place.parent == logs.temporary_folder()
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside/precious", "/dev/zero", "pipe"])
def test_a_record_that_names_a_path_leads_to_no_file(name, outside, monkeypatch):
    folder = outside.parents[1] / "out"
    monkeypatch.chdir(folder)
    os.mkfifo(folder / "pipe")
    digest = finding._hash(outside)
    wanted = InputRecord(role="image", name=name, sha256=str(digest))
    with pytest.raises(ChordsError, match="was made from"):
        finding._find(wanted, folder / "picture.png")
