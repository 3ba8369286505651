"""Runs command lines on bad input and holds what they answer to one property.

Whatever the input: the command does it, or refuses it with one line that says what is wrong and one
that says what to do. It never shows a traceback, starts no process but ffmpeg, connects to nothing
and unpickles nothing.
"""

import io
import json
import multiprocessing.util
import os
import platform
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from chords_cli.cli.app import run

LONG = "fuzz"
"""The profile of hypothesis with which `make fuzz` runs."""

TIMES = int(os.environ.get("FUZZ_TIMES", "50"))
"""How many more examples that profile tries."""

LONGEST = 4000
"""How many characters an error may have."""

_FORBIDDEN = (
    *("os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.spawn", "os.system"),
    *("subprocess.Popen", "socket.connect", "socket.bind", "pickle.find_class"),
)

_done: list[str] | None = None
"""What was done that is forbidden; None where nobody watches."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _done is None or event not in _FORBIDDEN:
        return
    if event == "subprocess.Popen" and Path(os.fsdecode(arguments[0])).name.startswith("ffmpeg"):
        return
    _done.append(f"{event} {arguments!r}"[:300])


def _note_process(path: bytes, arguments: Any, handles: Any) -> None:
    """Notes what multiprocessing would start, of which Python tells no hook."""
    if _done is not None:
        _done.append(f"multiprocessing {arguments!r}"[:300])
    raise OSError(f"{path!r} is not to be started")


platform.platform()  # asks `uname` once in a process
sys.addaudithook(_watch)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command line answered."""

    code: int
    out: str
    err: str


class Line:
    """Runs command lines in a folder, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, input: bytes = b"", **variables: str) -> Answer:
        """Runs one and checks that it answers as it should."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as world, redirect_stdout(out), redirect_stderr(err):
            for name in ("CHORDS_DEBUG", "CHORDS_START", "FORCE_COLOR"):
                world.delenv(name, raising=False)
            own = {"XDG_CONFIG_HOME": str(self.folder / "config"), "HF_HUB_OFFLINE": "1"}
            for name, value in ({"COLUMNS": "80", "NO_COLOR": "1"} | own | variables).items():
                world.setenv(name, value)
            world.chdir(self.folder)
            # which asks a process; torch's own answer is not what is tried here
            world.setattr("chords_cli.engine.devices.available_devices", lambda: ("cpu",))
            world.setattr(multiprocessing.util, "spawnv_passfds", _note_process)
            world.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input)))
            with watched() as done:
                try:
                    code = run(arguments)
                except SystemExit as end:  # where a test lets a command go no further
                    code = int(end.code or 0)
        answer = Answer(code, out.getvalue(), err.getvalue())
        assert not done, done
        check(answer)
        return answer


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collects what is done that no bad input may do."""
    global _done
    _done = found = []
    try:
        yield found
    finally:
        _done = None


def check(answer: Answer) -> None:
    """Checks that a command line succeeded, or was refused with an error and a hint."""
    told = f"{answer!r:.600}"
    lines = answer.err.split("\n")
    assert "this is a bug" not in answer.err + answer.out, told
    if answer.code == 0:
        assert not any(line.startswith("error: ") for line in lines), told
        return
    assert answer.code == 2, told
    if answer.out:  # --json
        said = json.loads(answer.out)["error"]
        error, hint = said["message"], said["hint"]
    else:
        *_, error, hint, end = lines
        assert [line[:6] for line in lines].count("error:") == 1, told
        assert (error[:7], hint[:6], end) == ("error: ", "hint: ", ""), told
    check_line(error.removeprefix("error: "))
    check_line(hint.removeprefix("hint: "))


def check_line(text: str) -> None:
    """Checks that a text says something, is one line, and cannot play with a terminal."""
    assert text.strip()
    assert len(text) <= LONGEST, f"{len(text)} characters: {text[:300]}"
    assert not any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text), (
        f"{text!r:.600}"
    )


def examples(everyday: int) -> settings:
    """So many examples, every day the same; many others with `make fuzz`."""
    long = settings.get_current_profile_name() == LONG
    return settings(
        max_examples=everyday * TIMES if long else everyday,
        derandomize=not long,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )
