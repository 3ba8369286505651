"""Where events are shown, and how: on a terminal, in a log, nowhere."""

import errno
import io
import os
import signal
from contextlib import suppress

import pytest
from rich.console import Console as RichConsole

from chords_cli import events
from chords_cli.events import ProcessesStarted, PromptSkipped, Warned
from chords_cli.sampler import chords_plan, wavefront_plan
from chords_cli.sampler.stop import StopRule
from chords_cli.ui.console import Console
from chords_cli.ui.live.watching import watching
from tests.doubles.replay import PROMPT, run_events

PLAN = chords_plan(8, (0, 2, 4))
SHOW_CURSOR = "\x1b[?25h"
"""What follows a panel that has ended."""


def printed(mode="human", *, terminal=False, verbose=False, played=(), **options) -> str:
    """What a run prints on standard error."""
    console = Console(mode, verbose=verbose)
    console.err = RichConsole(
        file=io.StringIO(), force_terminal=terminal, width=100, color_system=None
    )
    with watching(console) as listen:
        for event in played or run_events(PLAN, **options):
            listen(event)
    return console.err.file.getvalue()


def test_log_has_a_line_per_event_that_matters():
    assert printed().splitlines() == [
        "FLUX.1-dev: chords 0-2-4 · 3 cores · 8 steps on cuda:0, cuda:1, cuda:2; "
        "output 1 after 6 rounds: ideally 1.33x sooner",
        "3 cores ready after 4.00 s",
        f"1/1: '{PROMPT}', seed 42",
        "preview from core 2 after 3 rounds, 0.80 s",
        "output 1 from core 2 after 6 rounds, 1.10 s",
        "1/1 done in 2.10 s: outputs/x/0001-a-red-circle.png",
    ]


def test_log_has_the_details_when_asked_for():
    log = printed(verbose=True).splitlines()
    assert "core 0 loaded text_encoder, transformer, vae in 3.80 s" in log
    assert "core 0 encoded the prompt in 0.50 s" in log
    assert "core 1 received the prompt in 0.01 s" in log
    assert "core 1, round 2: step 2 to 3" in log
    assert any("corrected by core 1, which moved it by 0." in line for line in log)
    assert "output 1 saved: outputs/x/0001-a-red-circle.png" in log


def test_log_says_once_that_torch_compiles_and_when_it_has():
    played = [*run_events(PLAN)]
    begun = next(n for n, event in enumerate(played) if isinstance(event, events.PromptStarted))
    start = played[begun].at
    compiling = [events.CoreCompiling(core=core, at=start) for core in range(3)]
    compiled = [
        events.CoreCompiled(core=core, seconds=40.0, encoded=0.1, at=start + 40 + core)
        for core in range(3)
    ]
    played[begun + 1 : begun + 1] = [*compiling, *compiled]
    log = printed(played=played).splitlines()
    assert log[3:5] == [
        "torch compiles the model; sampling begins when it has done so for all cores",
        "compiled after 42.0 s",
    ]
    assert not any("torch" in line or "compiled" in line for line in log[5:])
    assert "torch compiled the model of core 1 in 40.0 s" in printed(played=played, verbose=True)


def test_log_of_several_pictures_at_a_time_names_the_picture_and_who_encodes():
    resolved = events.RunResolved(
        model="FLUX.1-dev",
        plan=wavefront_plan(8, 2, 6),
        stop=StopRule(),
        devices=("cuda:0", "cuda:1", "cuda:2", "cuda:3"),
        groups=2,
        output="x",
    )
    began = events.PromptStarted(number=2, total=2, prompt="a cat", seed=42, group=1)
    landed = events.OutputLanded(core=3, index=1, round=6, residual=None, seconds=1.0)
    encoded = [events.CoreEncoded(core=core, seconds=0.1) for core in (2, 3)]
    log = printed(verbose=True, played=[resolved, began, *encoded, landed]).splitlines()
    assert log[-3:] == [
        "core 2 encoded the prompt in 0.10 s",
        "core 3 received the prompt in 0.10 s",
        "2/2: output 1 from core 3 after 6 rounds, 1.00 s",
    ]


@pytest.mark.parametrize("mode", ["json", "quiet"])
@pytest.mark.parametrize("terminal", [True, False])
def test_nobody_is_told_in_json_and_quiet_mode(mode, terminal):
    assert printed(mode, terminal=terminal) == ""


def test_terminal_keeps_the_last_panel():
    frame = printed(terminal=True).split("╭")[-1]
    assert "● output 1" in frame
    assert frame.count(" done ") == 3


def test_terminal_prints_above_the_panel_what_is_over_when_there_are_several():
    log = printed(terminal=True, prompts=2)
    assert "1/2 done in 2.10 s: outputs/x/0001-a-red-circle.png" in log
    assert "done in" not in printed(terminal=True)


def warned(count):
    return [*run_events(PLAN), *(Warned(core=0, text=f"number {n}") for n in range(count))]


def test_log_has_a_line_per_warning():
    assert printed(played=warned(2)).splitlines()[-2:] == ["warning: number 0", "warning: number 1"]


def test_terminal_shows_the_last_warning_in_the_panel_and_all_below_it():
    shown = printed(terminal=True, played=warned(2))
    assert "│ warning: number 1" in shown.split("╭")[-1]
    below = shown.split(SHOW_CURSOR)[-1]
    assert below.splitlines() == ["warning: number 0", "warning: number 1"]


def test_terminal_lists_some_warnings_and_says_where_the_others_are():
    lines = printed(terminal=True, played=warned(11)).splitlines()
    assert lines[-2:] == ["warning: number 7", "3 more warnings in outputs/x"]


def test_warnings_are_shown_when_a_run_fails():
    console = Console()
    console.err = RichConsole(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with suppress(ZeroDivisionError), watching(console) as listen:
        for event in warned(1):
            listen(event)
        raise ZeroDivisionError
    assert console.err.file.getvalue().endswith(f"{SHOW_CURSOR}warning: number 0\n")


def test_results_of_an_earlier_run_are_printed_and_leave_no_panel():
    resolved = next(run_events(PLAN))
    skipped = PromptSkipped(number=2, path="outputs/x/2.png")
    assert printed(played=[skipped]) == "number 2 was made before: outputs/x/2.png\n"
    log = printed(terminal=True, verbose=True, played=[resolved, skipped])
    assert "number 2 was made before: outputs/x/2.png" in log
    assert log.endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("started", "line"),
    [
        (ProcessesStarted(method="fork", reason=None), "the cores were forked from one process"),
        (
            ProcessesStarted(method="spawn", reason="no memory"),
            "the cores were started one by one: no memory",
        ),
    ],
)
def test_log_tells_how_the_processes_started_when_asked_for_details(started, line):
    assert printed(verbose=True, played=[started]) == f"{line}\n"
    assert printed(played=[started]) == ""


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL])
def test_ctrl_z_stays_ignored_where_it_was(before):
    console = Console()
    console.err = RichConsole(file=io.StringIO(), force_terminal=True, width=100)
    found = signal.signal(signal.SIGTSTP, before)
    try:
        with watching(console):
            ignored = signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN
        assert ignored == (before is signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTSTP) is before
    finally:
        signal.signal(signal.SIGTSTP, found)


def test_ctrl_z_stops_where_the_terminal_is_gone(monkeypatch, tmp_path):
    stopped = []
    monkeypatch.setattr(os, "kill", lambda pid, number: stopped.append((pid, number)))
    console = Console()
    with (tmp_path / "closed").open("w") as file:
        console.err = RichConsole(file=file, force_terminal=True, width=100)
        monkeypatch.setattr(os, "write", _refuse)
        with watching(console):
            signal.raise_signal(signal.SIGTSTP)
    assert stopped == [(os.getpid(), signal.SIGTSTP)]


def _refuse(*given):
    raise OSError(errno.EIO, "gone")
