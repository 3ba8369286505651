"""What is left of processes that were killed, and what their logs say last."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chords_cli.engine import logs

CODE = "from chords_cli.engine.logs import temporary_folder as f; print(f(), flush=True); input()"


def test_the_next_process_removes_what_a_killed_one_has_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    monkeypatch.setattr(logs, "_JUST_MADE", -1.0)
    (tmp_path / "chords-other").mkdir()
    pipe, folders = subprocess.PIPE, list[Path]()
    both = [
        subprocess.Popen([sys.executable, "-c", CODE], env=environment, stdin=pipe, stdout=pipe)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout
        folders.append(Path(process.stdout.readline().decode().strip()))
    killed, alive = both
    killed.kill()
    killed.communicate()
    logs._remove_left(str(tmp_path))
    assert {*tmp_path.iterdir()} == {folders[1], tmp_path / "chords-other"}
    alive.communicate(b"\n")
    assert {*tmp_path.iterdir()} == {tmp_path / "chords-other"}


def test_a_folder_of_another_host_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_JUST_MADE", -1.0)
    for name, host in (("mine", logs.platform.node()), ("theirs", "another"), ("unknown", None)):
        folder = tmp_path / f"chords-run-{name}"
        folder.mkdir()
        if host:
            (folder / "host").write_text(host)
    logs._remove_left(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"chords-run-theirs", "chords-run-unknown"}


def test_a_disk_without_locks_is_used_and_nothing_on_it_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: int, how: int) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(logs, "_JUST_MADE", -1.0)
    monkeypatch.setattr(logs.fcntl, "flock", refuse)
    first = logs.temporary_folder.__wrapped__(str(tmp_path))
    second = logs.temporary_folder.__wrapped__(str(tmp_path))
    assert {*tmp_path.iterdir()} == {first, second}


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", ""),
        ("no line before\nlibcuda is gone\n\n", "libcuda is gone"),
        ("chords_cli.errors.UsageError: no\nhint: try 4\n", "chords_cli.errors.UsageError: no"),
        ("error: no\nhint: try 4\n", "hint: try 4"),
        ("hint: alone", "hint: alone"),
    ],
)
def test_the_last_line_of_a_log_is_the_error_rather_than_the_hint_below_it(
    log: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text(log)
    assert logs.last_line(tmp_path / "log") == told
    assert logs.last_line(tmp_path / "absent") == ""
