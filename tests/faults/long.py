"""Sends many prompts through one pool, and watches the memory and the descriptors of everybody."""

import itertools
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.driver import LONGEST, Cell, Run

WINDOW = 10
"""Samples between two numbers; each is the middle one of those read after every sample."""

GROWTH = 1.05
"""How much more memory than after the tenth sample a process may have later."""

_FIRST = f"in samples {WINDOW + 1}-{2 * WINDOW}"


@dataclass(frozen=True, kw_only=True)
class Long:
    """A long run.

    Attributes:
        kind: What is made, and the command's name.
        prompts: All different.
        steps: Few enough that the run takes minutes.
    """

    kind: str
    prompts: tuple[str, ...]
    cores: int
    steps: int

    def cell(self, folder: Path) -> Cell:
        """Returns what the driver runs."""
        file = folder / "prompts.txt"
        file.write_text("\n".join(self.prompts))
        command = (self.kind, "--prompt-file", str(file), "--steps", str(self.steps))
        return Cell(phase="", what="", command=command, cores=self.cores, num=1, fresh=True)


@dataclass
class Watched:
    """What one process had after every sample.

    Attributes:
        memory: In MB, of its own: what it maps from files is everybody's who maps the same.
        descriptors: How many.
    """

    memory: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def windows(self) -> list[tuple[float, float]]:
        """Returns the middle of both in each window of samples, in order."""
        return list(zip(_middles(self.memory), _middles(self.descriptors), strict=True))


def prompts(count: int) -> tuple[str, ...]:
    """Returns as many prompts, all different and of several lengths."""
    colours = ("red", "blue", "green", "yellow", "purple", "orange", "pink", "white", "black")
    shapes = ("circle", "square", "triangle", "star", "ring", "heart")
    places = ("left of", "above", "right of", "below")
    pairs = itertools.product(places, shapes, itertools.permutations(colours, 2))
    made = (f"a {a} {shape} {place} a {b} ring" for place, shape, (a, b) in pairs)
    return tuple(itertools.islice(made, count))


def watch(run: Run, total: int) -> dict[str, Watched]:
    """Reads, after each of `total` samples of a run, what its processes have."""
    found: dict[str, Watched] = defaultdict(Watched)
    seen, began = 0, time.monotonic()
    while run.process.poll() is None:
        assert time.monotonic() < began + LONGEST * 6, f"it hangs after {seen} of {total}"
        if (done := len(re.findall(r"^\d+/\d+ done", run.said, re.M))) > seen:
            seen = done
            for name, memory, descriptors in _everybody(run.folder / "pids"):
                found[name].memory.append(memory)
                found[name].descriptors.append(descriptors)
        time.sleep(0.05)
    return dict(found)


def growing(watched: Mapping[str, Watched]) -> list[str]:
    """Names what grows after the tenth sample."""
    wrong = list[str]()
    for name, process in watched.items():
        (first, held), *later = process.windows()[1:]
        for number, (memory, descriptors) in enumerate(later, 2):
            when = f"in samples {number * WINDOW + 1}-{(number + 1) * WINDOW}"
            if memory > first * GROWTH:
                wrong.append(f"{name}: {memory:.1f} MB {when}, {first:.1f} MB {_FIRST}")
            if descriptors != held:
                wrong.append(f"{name}: {descriptors:g} descriptors {when}, {held:g} {_FIRST}")
    return wrong


def table(watched: Mapping[str, Watched]) -> dict[str, dict[str, float]]:
    """Returns the numbers for the page, per process."""
    return {
        name: {
            "after": round(windows[1][0], 1),
            "most": round(max(memory for memory, _ in windows[1:]), 1),
            "end": round(windows[-1][0], 1),
            "descriptors": windows[-1][1],
        }
        for name, process in sorted(watched.items())
        if (windows := process.windows())
    }


def _middles(values: Sequence[float]) -> list[float]:
    """Returns the middle value of each complete window."""
    starts = range(0, len(values) - WINDOW + 1, WINDOW)
    return [statistics.median(values[start : start + WINDOW]) for start in starts]


def _everybody(pids: Path) -> Iterator[tuple[str, float, int]]:
    for path in pids.iterdir():
        with suppress(OSError, ValueError):
            place = Path("/proc", path.read_text())
            told = (place / "status").read_text()
            own = re.findall(r"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+)", told, re.M)
            if own:
                yield path.name, sum(map(int, own)) / 1024, len(list((place / "fd").iterdir()))
