"""The same where two cores are two processes each, for the halves of guidance.

Processes 0 and 1 are core 0 and its helper, 2 and 3 are core 1 and its helper.
"""

from dataclasses import replace

from tests.faults.cells.cores import hit
from tests.faults.driver import IMAGE, Cell

_LEAD, _HELPER = ("core 1", 2), ("core 1's helper", 3)
_WHO = {
    "starting": (_LEAD, _HELPER),
    "loading": (_LEAD, _HELPER),
    "meeting": (_LEAD, _HELPER),
    "encoding": (("core 0", 0), ("core 0's helper", 1)),
    "first step": (_LEAD,),
    "between rounds": (_LEAD,),
    "sending": (("core 0", 0),),
    "receiving": (_LEAD,),
    "telling the helpers": (_LEAD,),
    "following the lead": (("core 0's helper", 1), _HELPER),
    "sending half of guidance": (("core 0's helper", 1), _HELPER),
    "receiving half of guidance": (("core 0", 0), _LEAD),
    "end of the line": (("core 0", 0),),
    "decoding": (_LEAD,),
    "between samples": (_LEAD, _HELPER),
}

_QUICK = {
    ("telling the helpers", "core 1 of 2 x 2 is killed"),
    ("following the lead", "core 1's helper of 2 x 2 raises"),
    ("sending half of guidance", "core 0's helper of 2 x 2 is killed"),
    ("receiving half of guidance", "core 0 of 2 x 2 raises"),
}

CELLS: list[Cell] = [
    replace(cell, quick=(cell.phase, cell.what) in _QUICK)
    for phase, processes in _WHO.items()
    for who, process in processes
    for cell in hit(phase, process, who, " of 2 x 2", cores=2, command=(*IMAGE, "--guidance-split"))
]
