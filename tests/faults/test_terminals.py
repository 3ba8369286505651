"""Runs on a terminal end, stop and go on as their user wants, and leave it as it was."""

import functools
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.warm import Warm
from tests.faults.driver import Cell, Run
from tests.faults.terminals import INTERRUPT, SUSPEND, OnTerminal, Terminal, pictures
from tests.waiting import until

CELL = Cell(phase="", what="", command=("image", "a red heart", "--steps", "8"), cores=2, num=3)

PHASE = "on a terminal"
ROWS = list[str]()
"""What is done to runs on a terminal; each is a row of the page of faults."""

Begin = Callable[..., tuple[OnTerminal, Terminal]]


@pytest.fixture
def begin(warm: Warm, tmp_path: Path) -> Iterator[Begin]:
    """Starts a run on a terminal; ends whoever is left."""
    begun = list[tuple[OnTerminal, Terminal]]()

    def start(
        columns: int = 100, cell: Cell = CELL, shell: bool = False
    ) -> tuple[OnTerminal, Terminal]:
        terminal = Terminal(columns)
        run = OnTerminal(cell, tmp_path / "run", warm, terminal)
        begun.append((run, terminal))
        if shell:
            run.type_in_shell(shlex.join([sys.executable, "-m", "chords_cli", *run.line()]))
        else:
            run.start()
        return run, terminal

    yield start
    for run, terminal in begun:
        run.end()
        terminal.close()


@pytest.fixture
def thorough(pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getoption("--all-faults"):
        pytest.skip("`make test-faults` runs it")


def ended(run: Run) -> int | None:
    """Waits for the end of a run and of all that it has started; returns its exit code."""
    code = run.wait()
    until(lambda: not run.family(), "the end of all processes")
    assert not [*run.temporary.glob("chords*")]
    return code


def row(what: str, code: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Has a test note for the page of faults what became of its run, also where it fails."""
    ROWS.append(what)

    def noting(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*given: object, **named: object) -> None:
            wrong = list[str]()
            try:
                test(*given, **named)
            except BaseException as error:
                wrong = [(str(error).splitlines() or [type(error).__name__])[0]]
                raise
            finally:
                if log := os.environ.get("FAULTS_LOG"):
                    line = {"what": what, "phase": PHASE, "code": code, "wrong": wrong}
                    with Path(log).open("a") as file:
                        told = {**line, "error": "", "seconds": None, "resumed": None}
                        file.write(json.dumps(told) + "\n")

        return run

    return noting


@row("Ctrl-C, typed", 130)
def test_ctrl_c_says_what_is_kept_and_restores_the_terminal(begin: Begin) -> None:
    run, terminal = begin(cell=replace(CELL, num=500))  # it does not end before
    terminal.wait_for("1/500 done")
    terminal.type(INTERRUPT)
    assert ended(run) == 130
    terminal.settle()
    count = len(pictures(run))
    told = re.search(r"interrupted: (\d+) of 500 images (?:is|are) kept", terminal.text)
    assert told
    assert int(told[1]) == count
    assert "Traceback" not in terminal.text
    assert terminal.is_restored()


@row("Ctrl-C twice, typed", 130)
def test_a_second_ctrl_c_changes_nothing(begin: Begin, thorough: None) -> None:
    run, terminal = begin(cell=replace(CELL, num=500))
    terminal.wait_for("1/500 done")
    terminal.type(INTERRUPT)
    terminal.type(INTERRUPT)
    assert ended(run) == 130
    terminal.settle()
    assert "interrupted: " in terminal.text
    assert "Traceback" not in terminal.text
    assert terminal.is_restored()


@row("it is closed", 129)
def test_a_terminal_that_is_closed_ends_the_run(begin: Begin, thorough: None) -> None:
    run, terminal = begin()
    terminal.wait_for("1/3 done")
    terminal.close()
    assert ended(run) == 129
    assert pictures(run)


@row("it has 20 columns", 0)
def test_a_narrow_terminal_gets_whole_paths(begin: Begin, thorough: None) -> None:
    run, terminal = begin(20)
    assert ended(run) == 0
    terminal.settle()
    assert all(str(run.out / name) in terminal.text for name in pictures(run))
    assert len(pictures(run)) == 3
    assert terminal.is_restored()


@row("it knows no escapes", 0)
def test_a_dumb_terminal_gets_lines_without_escapes(begin: Begin, thorough: None) -> None:
    cell = replace(CELL, env={"TERM": "dumb"})
    run, terminal = begin(cell=cell)
    assert ended(run) == 0
    terminal.settle()
    assert "\x1b" not in terminal.shown
    assert "3/3 done in " in terminal.text


@row("Ctrl-Z, five seconds later fg", 0)
def test_ctrl_z_stops_a_run_and_fg_goes_on(begin: Begin, thorough: None) -> None:
    run, terminal = begin(cell=replace(CELL, args=("--timeout", "2")), shell=True)
    terminal.wait_for("1/3 done")
    terminal.type(SUSPEND)
    stopped = terminal.wait_for("Stopped")
    assert terminal.shows_cursor
    time.sleep(5)  # longer than a silent core is waited for
    run.type_in_shell("fg")
    terminal.wait_for("3 images in", stopped)
    run.type_in_shell("echo code=$?; exit")
    assert ended(run) == 0
    terminal.settle()
    assert "code=0" in terminal.text
    assert len(pictures(run)) == 3
    assert terminal.is_restored()


@row("a pipe in its place is full for five seconds", 0)
def test_a_full_pipe_is_waited_for(warm: Warm, tmp_path: Path, thorough: None) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    filled = os.write(writer, b"." * (1 << 20))
    os.set_blocking(writer, True)
    run = Run(replace(CELL, args=("--timeout", "2")), tmp_path / "run", warm.start)
    run.began = time.time()
    how = {"cwd": run.folder, "start_new_session": True, "stdout": writer, "stderr": writer}
    run.process = warm.start(*run.line(), env=run.environment(), **how)
    os.close(writer)
    try:
        until(lambda: "pipe_write" in _sleeps_in(run.process.pid), "a full pipe")
        time.sleep(5)  # longer than a silent core is waited for
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()[filled:].decode()
        assert ended(run) == 0
        assert "3/3 done" in said
        assert "error" not in said
        assert len(pictures(run)) == 3
    finally:
        run.end()


def _sleeps_in(pid: int) -> str:
    """Names the function of the kernel that a process sleeps in."""
    return Path("/proc", str(pid), "wchan").read_text()
