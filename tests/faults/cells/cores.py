"""Every one of four cores is killed, stopped or raises, in every phase that it goes through."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.faults.cells.phases import SOON, at, doing
from tests.faults.driver import Cell

_ALL = (0, 1, 2, 3)
_WHO = {
    "starting": _ALL,
    "loading": _ALL,
    "meeting": _ALL,
    "encoding": _ALL,
    "first step": _ALL,
    "between rounds": _ALL,
    "sending": (0, 1, 2),
    "receiving": (1, 2, 3),
    "end of the line": _ALL,
    "decoding": (3,),
    "between samples": _ALL,
}
_ALSO = {1: ("starting", "first step", "sending"), 2: ("between rounds",), 0: ("encoding",)}
_ALSO |= {3: ("meeting", "receiving", "decoding"), 0: ("loading", "encoding", "end of the line")}
"""The phases in which a core also hangs without being stopped, in a call or in a loop."""

_QUICK = {("starting", 1, "killed"), ("meeting", 3, "stopped"), ("encoding", 0, "raises")}
_QUICK |= {("receiving", 3, "killed"), ("end of the line", 0, "killed")}
_QUICK |= {("between samples", 1, "killed")}
"""Those that `make test-all` runs: with the others there, each fault and each phase once."""

Worker = partial(Cell, args=SOON)


def hit(phase: str, process: int, who: str, also: str = "", **more: Any) -> Iterator[Cell]:
    """Yields the cells in which a process is killed, stopped, or raises in a phase."""
    name, place = f"{who} on cpu", partial(at, phase, who=process)
    phrase, quick = doing(phase), partial(_is_quick, phase, who + also)
    given = partial(Cell, phase=phase, **more)
    died, silent = f"{name} died while {phrase}", f"{name} hangs: no sign of life for [345] s"
    yield given(
        what=f"{who}{also} is killed",
        fault=place("SIGKILL"),
        says=f"^{died}: killed by SIGKILL$",
        quick=quick("killed"),
    )
    yield given(
        what=f"{who}{also} is stopped",
        fault=place("SIGSTOP"),
        args=SOON,
        says=f"^{silent} while {phrase}$",
        quick=quick("stopped"),
    )
    raised = f"{name}: RuntimeError while {phrase}: boom, said the hook, on two lines$"
    if phase == "starting":  # before there is somebody who could say so
        raised = rf"{died}: exit code 1 \(.*on two lines\)"
    yield given(
        what=f"{who}{also} raises",
        fault=place("RuntimeError"),
        says=f"^{raised}",
        quick=quick("raises"),
    )


def _is_quick(phase: str, who: str, how: str) -> bool:
    return (phase, int(who[5]), how) in _QUICK and len(who) == len("core 0")


def _hanging(phase: str, core: int) -> Iterator[Cell]:
    who = f"core {core}"
    silent = f"{who} on cpu hangs: no sign of life for [345] s while {doing(phase)}$"
    stuck = f"{who} on cpu is stuck: no progress for .* s while {doing(phase)}$"
    yield Worker(
        phase=phase,
        what=f"{who} sleeps",
        fault=at(phase, "hang", core),
        says=f"^{silent}",
        quick=phase == "first step",
    )
    if phase != "starting":
        spins = at(phase, "spin", core)
        what, quick = f"{who} never ends", phase == "between rounds"
        yield Worker(phase=phase, what=what, fault=spins, says=f"^{stuck}", quick=quick)


def _alone(phase: str) -> Cell:
    return Worker(
        phase=phase,
        what="the only core is stopped",
        cores=1,
        fault=at(phase, "SIGSTOP", 0),
        says=f"^core 0 on cpu hangs: no sign of life for 4 s while {doing(phase)}$",
    )


CELLS: list[Cell] = [
    *(cell for phase in _WHO for core in _WHO[phase] for cell in hit(phase, core, f"core {core}")),
    *(cell for core, phases in _ALSO.items() for phase in phases for cell in _hanging(phase, core)),
    *map(_alone, ("loading", "between rounds", "decoding")),
    Cell(
        phase="between rounds",
        what="core 1 raises in the second picture",
        fault=at("between rounds", "RuntimeError", 1),
        says="^core 1 on cpu: RuntimeError while taking a step: boom, said the hook, on two lines$",
        hint="; 1 of 2 images is kept in .*: add --resume to go on$",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="between rounds",
        what="core 2 raises an EOFError",
        fault=at("between rounds", "EOFError", 2),
        says="^core 2 on cpu: EOFError while taking a step: boom, said the hook, on two lines$",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="between rounds",
        what="core 2 ends by itself",
        fault=at("between rounds", "exit", 2),
        says="^core 2 on cpu died while taking a step: exit code 3$",
        kept=1,
        resumes=True,
    ),
    Cell(
        phase="decoding",
        what="core 3 reads where it must not",
        fault=at("decoding", "segfault", 3),
        says="^core 3 on cpu died while decoding: killed by SIGSEGV",
        kept=1,
        resumes=True,
    ),
]
