"""The process that cores are forked from: killed, stopped, raising; and what it imports broken."""

from tests.faults.cells.phases import at
from tests.faults.driver import Cell, Run

_DIED = "^the process that starts the cores died"
_HANGS = "^the process that starts the cores hangs: it did nothing for 8.* s while it imported"
_IT = "the process that starts cores"


def break_torch(run: Run) -> None:
    """Puts one before the real one that cannot be imported."""
    package = run.folder / "broken" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libcudart.so.12: cannot open')")


CELLS: list[Cell] = [
    Cell(
        phase="importing",
        what=f"{_IT} is killed",
        fault="importing:server:SIGKILL",
        fresh=True,
        says=f"{_DIED}: killed by SIGKILL",
    ),
    Cell(
        phase="importing",
        what=f"{_IT} is stopped",
        fault="importing:server:SIGSTOP",
        fresh=True,
        says=_HANGS,
        hint="import torch",
    ),
    Cell(
        phase="importing",
        what=f"{_IT} sleeps",
        fault="importing:server:hang",
        fresh=True,
        says=_HANGS,
    ),
    Cell(
        phase="importing",
        what=f"{_IT} raises",
        fault="imported:server:RuntimeError",
        fresh=True,
        says=rf"{_DIED}: exit code 1 \(",
    ),
    Cell(
        phase="importing",
        what="torch is broken",
        fresh=True,
        prepare=break_torch,
        paths=("broken",),
        says="^core . on cpu: torch cannot be imported: libcudart.so.12: cannot open$",
        quick=True,
    ),
    *(
        Cell(
            phase=phase,
            what=f"{_IT} is killed",
            fault=at(phase, "SIGKILL", core),
            target="server",
            says=f"{_DIED}: killed by SIGKILL",
            kept=kept,
            quick=phase == "sending",
            resumes=phase == "decoding",
        )
        for phase, core, kept in (
            ("loading", 0, 0),
            ("encoding", 0, 0),
            ("first step", 1, 0),
            ("sending", 1, 1),
            ("decoding", 3, 1),
            ("between samples", 1, 1),
        )
    ),
    *(
        Cell(
            phase=phase,
            what=f"{_IT} is stopped",
            fault=at(phase, "SIGSTOP", core),
            target="server",
            code=0,
            kept=2,
        )
        for phase, core in (("encoding", 0), ("sending", 1), ("decoding", 3))
    ),
]
