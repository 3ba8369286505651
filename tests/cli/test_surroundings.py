"""What a machine may lack: streams, a short temporary folder, a home."""

import subprocess
import sys
from pathlib import Path

import pytest

from chords_cli.presets import files
from chords_cli.presets.files import available_presets
from tests.waiting import HANG


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of a shell in which `$CHORDS` is the command."""
    chords = f"'{sys.executable}' -m chords_cli"
    variables = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["sh", "-c", line.replace("$CHORDS", chords)],
        cwd=Path(__file__).parents[2],
        env=variables | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )


def test_a_run_needs_neither_streams_nor_a_short_temporary_folder(tmp_path):
    long = tmp_path / ("x" * 94)
    long.mkdir()
    options = f"image x --cores 2 --devices cpu --steps 2 --output '{tmp_path}/out'"
    done = shell(f"$CHORDS {options} >&- 2>&- <&-", tmp_path, TMPDIR=str(long))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "0001-x-s42.png",
        "run.json",
    ]
    assert not list(long.glob("*chords*"))


@pytest.mark.parametrize(
    ("line", "code", "shown"),
    [
        ("$CHORDS plan --cores 4 >&-", 0, ""),
        ("$CHORDS plan --cores 0 >&-", 2, "error: cores is 0, but a run has at least 1 core"),
        ("$CHORDS plan --cores 0 2>&-", 2, ""),
        ("$CHORDS plan --cores 0 --json 2>&-", 2, '"message": "cores is 0'),
    ],
)
def test_a_stream_that_is_closed_is_written_to_nowhere(line, code, shown, tmp_path):
    done = shell(line, tmp_path)
    assert done.returncode == code
    assert shown in done.stdout + done.stderr
    assert "bug" not in done.stderr
    assert bool(shown) == bool(done.stdout + done.stderr)


def test_a_terminal_without_a_width_is_written_to(tmp_path):
    assert "4 cores" in shell("$CHORDS plan --cores 4", tmp_path, COLUMNS="0").stdout
    assert '"cores": 4' in shell("$CHORDS plan --cores 4 --json", tmp_path, COLUMNS="0").stdout
    assert "cores is 0" in shell("$CHORDS plan --cores 0", tmp_path, COLUMNS="0").stderr
    assert "--cores" in shell("$CHORDS plan --help", tmp_path, COLUMNS="0").stdout


def test_a_user_without_a_home_has_the_shipped_presets(monkeypatch):
    def no_home(*_: object) -> str:
        raise RuntimeError("Could not determine home directory.")

    shipped = {preset.name for preset in available_presets()}
    monkeypatch.setattr(files.platformdirs, "user_config_dir", no_home)
    assert {preset.name for preset in available_presets()} >= {"demo-image", "flux"}
    assert {preset.name for preset in available_presets()} <= shipped


def test_a_folder_of_presets_that_cannot_be_read_is_passed_over(monkeypatch, tmp_path):
    def unreadable(self: Path, pattern: str) -> list[Path]:
        if tmp_path in self.parents:
            raise PermissionError(13, "Permission denied")
        return glob(self, pattern)

    glob = Path.glob
    monkeypatch.setattr(files.platformdirs, "user_config_dir", lambda *_: str(tmp_path))
    monkeypatch.setattr(Path, "glob", unreadable)
    assert "flux" in {preset.name for preset in available_presets()}
