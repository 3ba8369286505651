"""Random triples: which signal, to which process of a run, at which moment; all from one seed.

A moment is a part of the time that an undisturbed run takes here, so that a slow machine is struck
in the same phases. Moments lie from the first 10 ms of the command to past its end.
"""

import math
import random
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.driver import Cell, Found, Run, doubts

SEED = 20261127
COUNT = 200
CORES = 3
PLAIN = Cell(
    phase="", what="", command=("image", "a red heart", "--steps", "8"), cores=CORES, num=3
)
"""The run that everything is done to: several short samples."""

STOP = "stop and continue"
_KINDS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGSEGV", "SIGABRT", STOP)
_TARGETS = (*map(str, range(CORES)), "server", "command", "command")
_STOPPED = 1.0
"""Seconds that a process is stopped."""

_EARLIEST, _EARLY, _LATEST = 0.01, 3.0, 1.15
"""The first moment and the last one of a start from nothing, in seconds; the last part of a run."""

_ASKED = {"SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129}
"""Exit codes of a command that is asked to end."""


@dataclass(frozen=True, kw_only=True)
class Triple:
    """A signal to a process at a moment.

    Attributes:
        number: Which of all, from 0.
        kind: A signal's name, or `STOP`.
        target: A core's number, `server` or `command`.
        moment: Parts of the undisturbed run's time, or seconds if `early`.
        early: Whether the run starts from nothing, and not with everything imported.
    """

    number: int
    kind: str
    target: str
    moment: float
    early: bool

    @property
    def name(self) -> str:
        return f"{self.number:03}-{self.kind}-{self.target}-{self.when}".replace(" ", "-")

    @property
    def when(self) -> str:
        return f"{self.moment * 1000:.0f} ms" if self.early else f"{self.moment:.0%} of the run"


def draw(seed: int = SEED, count: int = COUNT) -> list[Triple]:
    """Returns the triples that a seed stands for."""
    chance, made = random.Random(seed), list[Triple]()
    for number in range(count):
        target, kind = chance.choice(_TARGETS), chance.choice(_KINDS)
        early = target in ("server", "command") and chance.random() < 0.25
        soon = math.exp(chance.uniform(math.log(_EARLIEST), math.log(_EARLY)))
        moment = soon if early else chance.uniform(0.0, _LATEST)
        made.append(Triple(number=number, kind=kind, target=target, moment=moment, early=early))
    return made


class Strike:
    """Does to a run what a triple says, and notes how things were then.

    Args:
        triple: What to do.
        seconds: What an undisturbed run takes.

    Attributes:
        deaf: Whether the process had no handler for signals: Python itself begins or ends.
        done: How many samples were said to be done.
    """

    def __init__(self, triple: Triple, seconds: float) -> None:
        self._triple = triple
        self._after = triple.moment if triple.early else max(_EARLIEST, triple.moment * seconds)
        self._stopped = 0.0
        self.deaf, self.done = False, 0

    def __call__(self, run: Run) -> bool:
        """Sends the signal when its time has come; returns true when nothing is left to do."""
        now = time.time()
        if now - run.began < self._after:
            return False
        if self._triple.kind != STOP:
            return self._send(run, getattr(signal, self._triple.kind))
        if not self._stopped:
            self._stopped = now if self._send(run, signal.SIGSTOP) else 0.0
            return False
        return now - self._stopped >= _STOPPED and self._send(run, signal.SIGCONT)

    def _send(self, run: Run, number: int) -> bool:
        name = self._triple.target
        pid = run.process.pid if name == "command" else run.pid(name)
        if pid:
            self.done, self.deaf = run.said.count(" done in "), not _hears(pid)
            with suppress(ProcessLookupError):
                run.send(name, number)
        return bool(pid)


def cell_of(triple: Triple, strike: Strike) -> Cell:
    """Returns the run that the triple is done to."""
    killed = triple.target == "command" and triple.kind not in (STOP, *_ASKED)
    return replace(
        PLAIN,
        phase=triple.when,
        what=f"{triple.kind} to {_who(triple)}",
        act=strike,
        fresh=triple.early,
        resumes=triple.number % 10 == 0,
        remains="" if killed else "-",
    )


def doubts_of(triple: Triple, strike: Strike, cell: Cell, found: Found) -> list[str]:
    """Returns what is not as it should be: code and words fit, and nothing is lost."""
    wrong = doubts(replace(cell, code=found.code or 0), found)
    if strike.deaf and triple.kind == "SIGINT":
        wrong = [one for one in wrong if one != "a traceback"]  # Python's own, while it starts
    said = re.search(rf"(\d) of {cell.num} images? (is|are) kept", found.error + found.hint)
    return [
        *wrong,
        *_wrong_end(triple, strike, found),
        *([f"{found.code} with {found.kept}"] if found.code == 0 and found.kept < cell.num else []),
        *([f"{strike.done} done, {found.kept} kept"] if found.kept < strike.done else []),
        *([f"says {said[0]}, {found.kept} are"] if said and int(said[1]) != found.kept else []),
        *(
            f"{name} was left"
            for name in found.left
            if not re.match(r"tmp/chords-run-|out/\..*\.part$", name)
        ),
    ]


def _wrong_end(triple: Triple, strike: Strike, found: Found) -> list[str]:
    """Tells whether exit code and error are those of the triple; everything may come too late."""
    if found.code in (0, None) or (triple.target == "command" and triple.kind != STOP):
        codes = {0, None, _ASKED.get(triple.kind, 0)}
        if strike.deaf or triple.kind not in _ASKED:
            codes |= {-getattr(signal, triple.kind, 0)}
        if strike.deaf and triple.kind == "SIGINT":
            codes |= {1}
        return [] if found.code in codes else [f"code {found.code}"]
    if triple.kind in (STOP, "SIGINT"):
        return [f"code {found.code}: {found.error}"]
    died = f"{_who(triple)} died( while [a-z ]+)?: killed by {triple.kind}$"
    fits = found.code == 1 and re.match(died, found.error)
    return [] if fits else [f"code {found.code}, {found.error!r} is not {died!r}"]


def _who(triple: Triple) -> str:
    names = {"server": "the process that starts the cores", "command": "the command"}
    return names.get(triple.target, f"core {triple.target} on cpu")


def _hears(pid: int) -> bool:
    """Tells whether a process handles SIGTERM itself."""
    with suppress(OSError):
        caught = re.search(r"^SigCgt:\s*(\w+)", Path("/proc", str(pid), "status").read_text(), re.M)
        return bool(caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
