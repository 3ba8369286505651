"""The cells: which fault, in which phase of a run, and what the run is to do then."""

from tests.faults.cells import command, cores, files, model, server, split, weights
from tests.faults.cells.phases import do, send
from tests.faults.driver import Cell

CELLS: list[Cell] = [
    *cores.CELLS,
    *split.CELLS,
    *server.CELLS,
    *command.CELLS,
    *model.CELLS,
    *weights.CELLS,
    *files.CELLS,
]

__all__ = ["CELLS", "do", "send"]
