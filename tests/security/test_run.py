"""A real run with a token, in a folder full of traps: what listens, and what is left."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from chords_cli.cli.app import run
from tests.waiting import HANG, until

ROOT = Path(__file__).parents[2]
TOKEN, STORED = "hf_environmentENVIRONMENT0123456789", "hf_storedSTOREDstored0123456789"
TRAPS = (
    *("torch.py", "yaml.py", "sitecustomize.py", "usercustomize.py", "conftest.py"),
    *("chords_cli/__init__.py", "diffusers/__init__.py", "chords.py", "multiprocessing.py"),
)


@dataclass
class Seen:
    """What was seen of a run while it went on, and what it has written."""

    folder: Path
    mark: Path
    said: str = ""
    lines: dict[int, str] = field(default_factory=dict)
    variables: dict[int, str] = field(default_factory=dict)
    listening: list[str] = field(default_factory=list)
    abstract: list[str] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)


def inodes(pid: int) -> set[str]:
    """The sockets of a process."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            name = str(link.readlink())
            found |= {name[8:-1]} if name.startswith("socket:[") else set()
    return found


def look(seen: Seen, parent: int) -> None:
    """Notes what every process of a run has, is called and listens on."""
    whole = [parent, *(child.pid for child in psutil.Process(parent).children(recursive=True))]
    own = set[str]()
    for pid in whole:
        seen.lines[pid] = (
            Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/comm").read_text()
        )
        seen.variables[pid] = Path(f"/proc/{pid}/environ").read_text()
        own |= inodes(pid)
    for table, state, inode in (("tcp", 3, 9), ("tcp6", 3, 9), ("udp", 3, 9), ("udp6", 3, 9)):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            cells = row.split()
            if cells[inode] in own and (cells[state] == "0A" or table.startswith("udp")):
                seen.listening.append(cells[1].partition(":")[0])
    for row in Path("/proc/net/unix").read_text().splitlines()[1:]:
        cells = row.split()
        if cells[6] in own and len(cells) > 7 and cells[7].startswith("@"):
            seen.abstract.append(cells[7])
    for path in (seen.folder / "tmp").rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            seen.modes[str(path)] = path.lstat().st_mode


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One run, for all tests of this file; it is ended after its first picture."""
    folder = tmp_path_factory.mktemp("run")
    seen = Seen(folder, folder / "was-run")
    for name in ("tmp", "huggingface", "work/chords_cli", "work/diffusers"):
        (folder / name).mkdir(parents=True)
    (folder / "huggingface/token").write_text(STORED)
    for name in TRAPS:
        (folder / "work" / name).write_text(f"open({str(seen.mark)!r}, 'w')\n")
    (folder / "work/.env").write_text("CHORDS_START=nonsense\n")
    kept = {name: value for name, value in os.environ.items() if name[:3] not in ("HF_", "PYT")}
    environment = kept | {
        **{"HOME": str(folder), "TMPDIR": str(folder / "tmp"), "HF_TOKEN": TOKEN},
        **{"HF_HOME": str(folder / "huggingface"), "CHORDS_DEBUG": "1", "OMP_NUM_THREADS": "1"},
        **{"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")},
    }
    # -P searches modules as the command `chords` does: `python -m` would add the working directory
    line = [sys.executable, "-P", "-m", "chords_cli", "image", "a fox", "--num", "500"]
    line += ["--cores", "2", "--devices", "cpu", "--steps", "8", "--output", "../out"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            line, cwd=folder / "work", env=environment, stdout=said, stderr=said, umask=0o022
        )
        try:
            until(
                lambda: (folder / "out/run.json").exists() or process.poll() is not None,
                "a picture",
            )
            look(seen, process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(HANG)
    seen.said = (folder / "said").read_text()
    assert process.returncode == 130, seen.said
    assert len(seen.lines) >= 4, "the command, what it forks from, and two cores"
    return seen


def test_nothing_listens_but_on_the_loopback(seen):
    assert seen.listening, "cores listen for each other"
    assert set(seen.listening) == {"0100007F"}


def test_no_socket_has_a_name_that_others_may_connect_to(seen):
    assert seen.abstract == []
    sockets = [path for path, mode in seen.modes.items() if stat.S_ISSOCK(mode)]
    assert sockets
    assert all(seen.modes[path] & 0o77 == 0 for path in sockets)


def test_temporary_folders_are_private(seen):
    tops = {path: mode for path, mode in seen.modes.items() if Path(path).parent.name == "tmp"}
    assert tops
    assert {path for path, mode in tops.items() if mode & 0o77} == set()
    logs = [mode for path, mode in seen.modes.items() if path.endswith(".log")]
    assert logs
    assert all(stat.S_IMODE(mode) == 0o600 for mode in logs)
    assert list((seen.folder / "tmp").iterdir()) == []


def test_pictures_follow_the_umask(seen):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (seen.folder / "out").iterdir()}
    assert modes == {0o644}


def test_tokens_are_in_no_line_and_only_the_command_that_was_typed_has_them(seen):
    assert [line for line in seen.lines.values() if TOKEN in line or STORED in line] == []
    having = [pid for pid, variables in seen.variables.items() if TOKEN in variables]
    assert having == [next(iter(seen.variables))]


def test_tokens_are_in_no_file_and_no_message(seen):
    assert TOKEN not in seen.said
    assert STORED not in seen.said
    holding = [
        path
        for path in seen.folder.rglob("*")
        if path.is_file() and any(one.encode() in path.read_bytes() for one in (TOKEN, STORED))
    ]
    assert holding == [seen.folder / "huggingface/token"]


def test_nothing_of_the_working_directory_is_run(seen):
    assert not seen.mark.exists()


@pytest.mark.parametrize("debug", ["0", "1"])
@pytest.mark.parametrize(
    "line",
    [
        ("doctor", "--devices", "cpu", "--model", "flux", "--json"),
        ("image", "x", "--cores", "0"),
        ("image", "x", "--model", "flux", "--devices", "cpu"),
        ("download", "owner/name"),
        ("presets",),
    ],
)
def test_tokens_are_not_said_when_something_fails(line, debug, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://user:passw0rd@127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:passw0rd@127.0.0.1:9")
    monkeypatch.setenv("CHORDS_DEBUG", debug)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    run(line)
    said = "".join(capfd.readouterr())
    assert said
    for secret in (TOKEN, "passw0rd"):
        assert secret not in said
    if "flux" in line and "doctor" in line:
        assert "there is one, from HF_TOKEN" in said
