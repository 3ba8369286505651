"""What is said of the network and of disks."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from chords_cli.cli.options import as_option
from chords_cli.engine.exchange.network import INTERFACE, way_to_meet
from chords_cli.runs.doctor import machine
from chords_cli.runs.doctor.machine import (
    Room,
    check_network,
    check_room,
    check_temporary,
    look_at_room,
)

GB = 10**9


def room(free: int | None, trouble: str | None = None) -> Room:
    return Room(folder=Path("/data/hub"), free=free, trouble=trouble)


@pytest.mark.parametrize(
    ("there", "needed", "optional", "state", "found"),
    [
        (room(80 * GB), 0, False, "ok", "/data/hub, 80.0 GB free"),
        (room(80 * GB), 34 * GB, False, "ok", "/data/hub, 80.0 GB free; 34.0 GB are to be fetched"),
        (room(GB // 2), 0, False, "warn", "/data/hub, 500.0 MB free"),
        (
            room(12 * GB),
            34 * GB,
            False,
            "fail",
            "/data/hub, 12.0 GB free, but 34.0 GB are to be fetched",
        ),
        (
            room(0, "No space left on device"),
            0,
            False,
            "fail",
            "/data/hub cannot be written: No space left on device, 0 kB free",
        ),
        (
            room(GB, "Read-only file system"),
            0,
            True,
            "warn",
            "/data/hub cannot be written: Read-only file system, 1.0 GB free",
        ),
        (room(None, "a file"), 0, False, "fail", "/data/hub cannot be written: a file"),
    ],
)
def test_a_folder_is_well_if_it_can_be_written_and_has_room(there, needed, optional, state, found):
    told = check_room("cache", there, "set HF_HOME", needed=needed, optional=optional)
    assert (told.state, told.found) == (state, found)
    assert ("set HF_HOME" in told.remedy) == (state != "ok")


def test_a_folder_is_looked_at_by_writing_and_nothing_stays(tmp_path):
    found = look_at_room(tmp_path / "not" / "yet")
    assert found.trouble is None
    assert found.free is not None
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "outputs").write_text("")
    found = look_at_room(tmp_path / "outputs" / "a")
    assert found.trouble == f"{tmp_path / 'outputs'} is a file"


def test_what_the_system_says_of_a_folder_is_told():
    found = look_at_room(Path("/proc/self"))
    assert found.trouble


def test_a_tmpdir_that_python_passes_over_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    told = check_temporary()
    assert told.state == "warn"
    assert told.found.startswith(f"TMPDIR is {tmp_path / 'gone'}, which cannot be used")


def test_no_temporary_folder_at_all_is_told(monkeypatch):
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(machine.tempfile, "gettempdir", nowhere)
    told = check_temporary()
    assert (told.state, told.found[:32]) == ("fail", "No usable temporary directory fo")


def test_an_interface_is_well_if_it_is_there_and_up(monkeypatch):
    monkeypatch.delenv(INTERFACE, raising=False)
    assert check_network(as_option).state == "ok"
    up = {machine.LOOPBACK: SimpleNamespace(isup=False)}
    monkeypatch.setattr(psutil, "net_if_stats", lambda: up)
    told = check_network(as_option)
    assert (told.state, told.remedy) == ("fail", way_to_meet())
    monkeypatch.setattr(psutil, "net_if_stats", dict)
    assert check_network(as_option).found == "there is no network interface"


def test_an_interface_that_a_variable_names_is_told(monkeypatch):
    monkeypatch.setenv(INTERFACE, "eth77")
    told = check_network(as_option)
    assert told.state == "fail"
    assert told.found.startswith(f"{INTERFACE} is eth77, but this machine has")
