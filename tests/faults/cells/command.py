"""The command itself: signals to it and its group, closed streams, another run in its folder."""

import os
import signal
import subprocess

from tests.faults.cells.phases import at, send
from tests.faults.driver import Cell, Run
from tests.waiting import until

_PHASES = (("loading", 0, 0), ("first step", 1, 0), ("sending", 1, 1), ("decoding", 3, 1))
"""With a process that is in the phase, and how many pictures there are by then."""

_ENDS = {
    "Ctrl-C": ("SIGINT", "group", 130, "interrupted"),
    "SIGTERM": ("SIGTERM", "parent", 143, "ended by SIGTERM"),
    "SIGHUP": ("SIGHUP", "group", 129, "ended by SIGHUP"),
}


def _ended(what: str, phase: str, who: object, kept: int, **more: object) -> Cell:
    number, target, code, says = _ENDS[what]
    place = phase if phase.count(":") else at(phase, number, who)
    named = {0: "", 1: ": 1 of 2 images is kept", 2: ": 2 of 2 images are kept"}[kept]
    return Cell(
        phase=str(more.pop("named", phase)),
        what=what,
        fault=place.format(number),
        target=target,
        code=code,
        says=f"^{says}{named}",
        kept=kept,
        hint="add --resume to go on$" if kept == 1 else "",
        **more,  # type: ignore[arg-type]
    )


def share(run: Run) -> None:
    """Starts another run into the same folder, and stops that once it has made a picture."""
    nowhere, line = subprocess.DEVNULL, run.line()[: -len(run.cell.args) or None]
    run.other = run.begin(line, run.environment(), nowhere, nowhere)
    until(lambda: list(run.out.glob("*.png")), "the first picture of the other run")
    os.kill(run.other.pid, signal.SIGSTOP)


def go_on(run: Run) -> None:
    """Lets the other run go on."""
    os.kill(run.other.pid, signal.SIGCONT)


CELLS: list[Cell] = [
    *(
        Cell(
            phase=phase,
            what="the command is killed",
            fault=at(phase, "SIGKILL", core),
            target="parent",
            code=-9,
            kept=kept,
            remains="tmp/chords-run-",
            resumes=phase == "decoding",
        )
        for phase, core, kept in _PHASES
    ),
    Cell(
        phase="importing",
        what="the command is killed",
        fault="importing:server:SIGKILL",
        target="parent",
        fresh=True,
        code=-9,
        kept=0,
        remains="tmp/chords-run-",
    ),
    Cell(
        phase="half saved",
        what="the command is killed",
        fault="half-saved:parent:SIGKILL:0.3",
        code=-9,
        kept=1,
        quick=True,
        remains="",
        resumes=True,
    ),
    *(
        _ended(
            what,
            phase,
            core,
            kept,
            resumes=phase == "sending",
            quick=(what, phase) in {("SIGTERM", "first step"), ("SIGHUP", "loading")},
        )
        for what in _ENDS
        for phase, core, kept in _PHASES
    ),
    *(
        _ended(what, place, None, kept, named=phase, fresh=phase == "importing")
        for what in _ENDS
        for phase, place, kept in (
            ("importing", "importing:server:{}", 0),
            ("saving", "saving:parent:{}:0.2", 2),  # a file that is being written is waited for
            ("half saved", "half-saved:parent:{}:0.3", 2),
        )
    ),
    *(
        Cell(
            phase=phase,
            what="Ctrl-C twice",
            act=send("group", (signal.SIGINT, signal.SIGINT), phrase, delay=0.1),
            code=130,
            says="^interrupted",
            kept=kept,
        )
        for phase, phrase, kept in (
            ("loading", "share cpu", 0),
            ("between samples", "1/2 done", 1),
        )
    ),
    *(
        Cell(
            phase="between samples",
            what=what,
            act=send(who, number, "1/2 done"),
            code=code,
            says=f"^{says}: 1 of 2 images is kept",
            hint="^add --resume to go on$",
            kept=1,
            resumes=True,
        )
        for what, who, number, code, says in (
            ("Ctrl-C", "group", signal.SIGINT, 130, "interrupted"),
            ("SIGTERM", "command", signal.SIGTERM, 143, "ended by SIGTERM"),
        )
    ),
    Cell(
        phase="the end",
        what="Ctrl-C",
        act=send("group", signal.SIGINT, "2/2 done"),
        code=130,
        says="^interrupted: 2 of 2 images are kept",
        kept=2,
        quick=True,
    ),
    *(
        Cell(
            phase=phase,
            what="the command stands still for 3 s (SIGSTOP, SIGCONT)",
            act=send("command", (signal.SIGSTOP, signal.SIGCONT), phrase, delay=3.0),
            code=0,
            kept=2,
        )
        for phase, phrase in (("loading", "share cpu"), ("between samples", "1/2 done"))
    ),
    *(
        Cell(
            phase=phase,
            what=f"SIGINT to {'a core' if who is None else 'the process that starts cores'} alone",
            fault=at(phase, "SIGINT", core),
            target=who or "",
            code=0,
            kept=2,
        )
        for phase, core, who in (
            ("starting", 1, None),
            ("loading", 0, None),
            ("sending", 1, "server"),
        )
    ),
    Cell(
        phase="the beginning",
        what="standard error is full",
        stderr="/dev/full",
        num=1,
        code=0,
        kept=1,
        quick=True,
    ),
    *(
        Cell(phase="the beginning", what=what, shell=shell, code=0, kept=2)
        for what, shell in (
            ("standard output is closed", '"$@" >&-'),
            ("standard error is closed", '"$@" 2>&-'),
            ("the reader of standard error ends", '"$@" 2> >(head -2)'),
        )
    ),
    *(
        Cell(
            phase="the beginning",
            what=f"another run writes to the folder{f', {more[0]}' if more else ''}",
            prepare=share,
            fix=go_on,
            args=more,
            code=2,
            says="^another run writes to ",
            hint="wait until it has ended, or choose another --output",
            kept=2,
        )
        for more in ((), ("--resume",), ("--overwrite",))
    ),
]
