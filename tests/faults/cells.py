"""The cells: which fault, in which phase of a run, and what the run is to do then."""

import shutil
import signal
import time
from functools import partial

from tests.faults.driver import Act, Cell, Run

PLACES = {
    "starting": (1, "starting:{}:{}:0.1"),
    "loading": (0, "loading:{}:{}:0.1"),
    "meeting": (3, "meeting:{}:{}:0.1"),
    "encoding": (0, "encoding:{}:{}:1.1"),
    "first step": (1, "step:{}:{}:1.1"),
    "between rounds": (2, "step:{}:{}:2.3"),
    "sending": (1, "sending:{}:{}:2.2"),
    "receiving": (3, "receiving:{}:{}:2.2"),
    "end of the line": (0, "closing:{}:{}:2.1"),
    "decoding": (3, "in-decoder:{}:{}:2.1"),
    "between samples": (1, "between:{}:{}:0.1"),
}
"""A core that is in the phase, and where it is then, with room for who and what."""

DOING = {"starting": "starting", "loading": "loading", "meeting": "loading"}
DOING |= {"encoding": "encoding the prompt", "decoding": "decoding"}
SOON = ("--timeout", "4")
Worker = partial(Cell, args=SOON)


def at(phase: str, kind: str, who: object = None) -> str:
    """The fault of a kind in a phase, in the core that is in it or in another process."""
    core, place = PLACES[phase]
    return place.format(core if who is None else who, kind)


def send(name: str, number: int, phrase: str = "", delay: float = 0.0) -> Act:
    """A signal from outside, some seconds after a phrase was said."""
    heard = list[float]()

    def act(run: Run) -> bool:
        if phrase and phrase not in run.said:
            return False
        heard.append(time.time() if phrase else run.began)
        return time.time() - heard[0] >= delay and run.send(name, number)

    return act


def do(phrase: str, what: Act) -> Act:
    """Something that is done as soon as a phrase was said."""

    def act(run: Run) -> bool:
        if phrase not in run.said:
            return False
        run.note()
        what(run)
        return True

    return act


def _of_cores() -> list[Cell]:
    cells = list[Cell]()
    for phase, (core, _) in PLACES.items():
        who, doing = f"core {core} on cpu", DOING.get(phase, "taking a step")
        killed, stuck = f"{who} died: killed by SIGKILL", f"{who} is stuck: .* while {doing}$"
        hangs, kind = f"{who} hangs: no sign of life for [34] s", f"core {core}"
        cells += [
            Cell(phase=phase, what=f"{kind} is killed", fault=at(phase, "SIGKILL"), says=killed),
            Worker(phase=phase, what=f"{kind} is stopped", fault=at(phase, "SIGSTOP"), says=hangs),
            Worker(phase=phase, what=f"{kind} sleeps", fault=at(phase, "hang"), says=hangs),
        ]
        if phase != "starting":
            spin = at(phase, "spin")
            what = f"{kind} never ends"
            cells.append(Worker(phase=phase, what=what, fault=spin, says=stuck))
    return cells


def break_torch(run: Run) -> None:
    """Puts one before the real one that cannot be imported."""
    package = run.folder / "broken" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libcudart.so.12: cannot open')")


CELLS: list[Cell] = [
    *_of_cores(),
    Worker(
        phase="between rounds",
        what="the only core is stopped",
        cores=1,
        fault=at("between rounds", "SIGSTOP", 0),
        says="core 0 on cpu hangs: no sign of life for 4 s",
    ),
    Cell(
        phase="importing",
        what="the process that starts cores is stopped",
        fault="importing:server:SIGSTOP",
        fresh=True,
        says="the process that starts the cores hangs: it did nothing for 30 s while it imported",
        hint="import torch",
    ),
    Cell(
        phase="importing",
        what="the process that starts cores sleeps",
        fault="importing:server:hang",
        fresh=True,
        says="the process that starts the cores hangs: it did nothing for 30 s while it imported",
    ),
    Cell(
        phase="importing",
        what="the process that starts cores is killed",
        fault="importing:server:SIGKILL",
        fresh=True,
        says="the process that starts the cores died",
    ),
    *(
        Cell(
            phase=phase,
            what="the process that starts cores is killed",
            fault=at(phase, "SIGKILL"),
            target="server",
            says="the process that starts the cores died",
            quick=phase == "sending",
        )
        for phase in ("loading", "sending", "decoding", "between samples")
    ),
    Cell(
        phase="importing",
        what="torch is broken",
        fresh=True,
        prepare=break_torch,
        paths=("broken",),
        says="core . on cpu: torch cannot be imported: libcudart.so.12: cannot open$",
        quick=True,
    ),
    Cell(
        phase="between rounds",
        what="an EOFError in core 2",
        fault=at("between rounds", "EOFError"),
        says="core 2 on cpu: EOFError: boom, said the hook, on two lines$",
    ),
    *(
        Cell(
            phase="between rounds",
            what=f"the model makes {kind} on core 2",
            fault=at("between rounds", kind, 2),
            says=r"core 2 on cpu: the latent after step \d+ is not finite: the model made nan",
            kept=1,
            quick=kind == "nan",
        )
        for kind in ("nan", "inf")
    ),
    Cell(
        phase="between rounds",
        what="core 1 raises",
        fault=at("between rounds", "RuntimeError", 1),
        says="core 1 on cpu: RuntimeError: boom",
        hint="; 1 of 2 images is kept in .*: add --resume to go on$",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="saving",
        what="no memory in the command",
        fault="saving:parent:MemoryError:0.2",
        says="out of memory in the command itself",
        hint="^free some memory first; 1 of 2 images is kept in .*: add --resume to go on$",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="saving",
        what="the disk is full",
        fault="half-saved:parent:ENOSPC:0.3",
        says="cannot write .*/0002-a-red-heart-s43.png: No space left on device",
        hint="make room there; .*1 of 2 images is kept in .*: add --resume to go on$",
        kept=1,
        resumes=True,
        quick=True,
    ),
    Cell(
        phase="saving",
        what="no more files may be opened",
        fault="saving:parent:EMFILE:0.2",
        says="the system refuses: Too many open files",
        hint="raise the limit.*1 of 2 images is kept",
        kept=1,
    ),
    Cell(
        phase="saving",
        what="the folder is a file now",
        act=do("2/2: ", lambda run: (shutil.rmtree(run.out), run.out.write_text(""))),
        says="cannot write .*: Not a directory",
    ),
    Cell(
        phase="saving",
        what="the folder is gone",
        act=do("2/2: ", lambda run: shutil.rmtree(run.out)),
        says="cannot write .*: No such file or directory",
        hint="^choose another --output$",
        kept=0,
    ),
    *(
        Cell(
            phase=phase,
            what="the temporary folder is removed",
            act=do(said, lambda run: shutil.rmtree(run.temporary)),
            code=0,
            kept=2,
        )
        for phase, said in (("between samples", "2/2: "), ("first step", "1/2: "))
    ),
    *(
        Cell(
            phase=phase,
            what="the command is killed",
            fault=at(phase, "SIGKILL"),
            target="parent",
            code=-9,
            kept=kept,
            remains="tmp/chords-run-",
            resumes=phase == "decoding",
        )
        for phase, kept in (("loading", 0), ("between rounds", 1), ("decoding", 1))
    ),
    *(
        Cell(
            phase=phase,
            what=f"SIGINT to {who or 'a core'} alone",
            fault=at(phase, "SIGINT"),
            target=who,
            code=0,
            kept=2,
        )
        for phase, who in (("starting", ""), ("sending", "server"), ("loading", ""))
    ),
    Cell(
        phase="half saved",
        what="the command is killed",
        fault="half-saved:parent:SIGKILL:0.3",
        code=-9,
        kept=1,
        remains="",
        resumes=True,
    ),
    Cell(
        phase="the end",
        what="Ctrl-C",
        act=send("group", signal.SIGINT, "2/2 done"),
        code=130,
        says="interrupted: 2 of 2 images are kept",
        kept=2,
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
    Cell(
        phase="between samples",
        what="Ctrl-C",
        act=send("group", signal.SIGINT, "1/2 done"),
        code=130,
        says="interrupted: 1 of 2 images is kept",
        hint="^add --resume to go on$",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="sending",
        what="the process that starts cores is stopped",
        fault=at("sending", "SIGSTOP"),
        target="server",
        code=0,
        kept=2,
    ),
]
