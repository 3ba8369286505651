"""Writes docs/reliability.md from the logs of a run of all cells and of the long runs.

A table has a place for every cell: a row by its phase, a column by its fault. A test compares the
places of the cells with those on the page, so that a cell cannot be missing there.
"""

import json
import os
import platform
import re
import statistics
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.faults.cells import CELLS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
SLOW = 10.0
"""Seconds from a fault to the end of the run above which the page counts it apart."""

Line = Mapping[str, Any]
"""A line of the log: a cell and what was found, or a triple."""

CORES, ENDS, OTHERS = "A core", "The command", "Everything else"
_CORE = re.compile(
    r"(?P<alone>the only core|core \d('s helper)?)( of 2 x 2)? "
    r"(?P<how>is killed|is stopped|raises|sleeps|never ends)$"
)
_ENDS = ("the command is killed", "Ctrl-C", "Ctrl-C twice", "SIGTERM", "SIGHUP")
_COLUMNS = {
    CORES: ("is killed", "is stopped", "sleeps", "never ends", "raises"),
    ENDS: ("is killed", "Ctrl-C", "Ctrl-C twice", "SIGTERM", "SIGHUP"),
}


@dataclass(frozen=True, order=True)
class Place:
    """Where a cell is told of: a table, a row and a column; the fault is the row of the last."""

    table: str
    row: str
    column: str


def place_of(what: str, phase: str) -> Place:
    """Returns where a cell is told of."""
    if found := _CORE.match(what):
        return Place(CORES, phase, found["how"])
    if what in _ENDS:
        return Place(ENDS, phase, what.removeprefix("the command "))
    return Place(OTHERS, f"{re.sub(r'core [0-9]', 'a core', what)} | {phase}", "runs")


def places_on(page: str) -> dict[Place, int]:
    """Returns of how many cells the page tells in every place."""
    found = dict[Place, int]()
    for title, body in re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", page, re.MULTILINE):
        table = re.findall(r"^\| (.*) \|$", body, re.MULTILINE)
        rows = [re.split(r" \| ", row) for row in table]
        for row in rows[1:]:
            for column, text in zip(rows[0], row, strict=True):
                if told := re.match(r"\d+ of (\d+)", text):
                    label = " | ".join(row[:2]) if title == OTHERS else row[0]
                    found[Place(title, label, column)] = int(told[1])
    return found


def page_of(lines: Sequence[Line]) -> str:
    """Returns the page that tells what the log does."""
    places = defaultdict[Place, list[Line]](list)
    triples = [line for line in lines if line.get("kind") == "triple"]
    longs = [line for line in lines if line.get("kind") == "long"]
    for line in lines:
        if "phase" in line and line not in triples:
            places[place_of(line["what"], line["phase"])].append(line)
    cells = [line for found in places.values() for line in found]
    order = [place_of(cell.what, cell.phase) for cell in CELLS]
    places = {place: places[place] for place in dict.fromkeys([*order, *places]) if place in places}
    text = [*_head(cells), *_triples(triples)]
    for table in (CORES, ENDS, OTHERS):
        own = {place: found for place, found in places.items() if place.table == table}
        text += ["", f"## {table}", "", *(_list(own) if table == OTHERS else _grid(table, own))]
    text += _longs(longs)
    return "\n".join(text) + "\n"


def _head(cells: Sequence[Line]) -> list[str]:
    resumed = [line["resumed"] for line in cells if line["resumed"] is not None]
    timed = [line for line in cells if line["seconds"] is not None and line["code"]]
    told = [line for line in timed if line.get("timeout")]
    own = [line for line in timed if not line.get("timeout")]
    slow = [line for line in own if line["seconds"] > SLOW]
    names = ("chords-cli", "torch", "diffusers", "transformers")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    right = sum(not line["wrong"] for line in cells)
    return [
        "# Reliability",
        "",
        *_wrapped(
            "A core is a process with a device and a copy of the model. This page says what became "
            f"of {len(cells)} runs of the real command, each of which met one fault in one phase. "
            "A run is right if its message names the process, what it was doing and the cause; if "
            "the exit code is right; if no process, lock, shared memory, temporary or partial file "
            "is left; if every finished picture is there with the bits of an undisturbed run; and, "
            "where `--resume` was tried, if all pictures were there then. "
            "[tests/faults](../tests/faults/cells/__init__.py) has them."
        ),
        "",
        *_item(
            f"**{right} of {len(cells)}** runs were right; `--resume` was tried after "
            f"{len(resumed)}, and right after {sum(code == 0 for code, _ in resumed)}."
        ),
        *_item(
            f"A run ended {_seconds(own)} after the fault; {_named(slow)} took longer than "
            f"{SLOW:g} s. Where it was told `--timeout 4`, it ended {_seconds(told)} after the "
            f"process had fallen silent ({len(told)} runs)."
        ),
        *_item(
            f"{datetime.now(UTC):%d %B %Y}, {versions}, Python {platform.python_version()}, "
            f"{platform.system()} {platform.machine()} with {os.cpu_count()} processors and no "
            "GPU; the built-in model, 16 steps, two pictures a run, four processes."
        ),
    ]


def _triples(triples: Sequence[Line]) -> list[str]:
    if not triples:
        return []
    hangs = sum(line["code"] is None for line in triples)
    orphans = sum(bool(line["orphans"]) for line in triples)
    right = sum(not line["wrong"] for line in triples)
    return _item(
        f"{len(triples)} random triples of a process, a signal and a moment, from seed "
        f"{triples[0]['seed']}: **{right}** right, {hangs} hung, {orphans} left a process."
    )


def _longs(longs: Sequence[Line]) -> list[str]:
    if not longs:
        return []
    text = [
        "",
        "## Long runs",
        "",
        *_wrapped(
            "Prompts through one pool of four cores, eight steps each. MB of memory that a process "
            "owns itself, in samples 11 to 20, then in the last ten, and its descriptors; "
            "right: at most 5 % more memory, no more descriptors, and three files equal those of "
            "fresh runs."
        ),
        "",
        f"| what | seconds | {' | '.join(map(_role, longs[0]['processes']))} |",
        f"|---|---|{'---|' * len(longs[0]['processes'])}",
    ]
    for line in longs:
        right = "right" if not line["wrong"] else "; ".join(line["wrong"])
        held = (
            f"{one['after']:.1f}, {one['end']:.1f}, {one['descriptors']:.0f}"
            for one in line["processes"].values()
        )
        text.append(f"| {line['what']}, {right} | {line['seconds']} | {' | '.join(held)} |")
    return text


def _role(name: str) -> str:
    return f"core {name}" if name.isdigit() else {"parent": "the command"}.get(name, name)


def _item(text: str) -> list[str]:
    return _wrapped(f"- {text}", "  ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, 100, subsequent_indent=indent, break_on_hyphens=False)


def _grid(table: str, places: Mapping[Place, Sequence[Line]]) -> list[str]:
    columns, rows = _COLUMNS[table], list(dict.fromkeys(place.row for place in places))
    text = [
        *(
            [
                "A number says how many runs were right, then after how many seconds they ended "
                "(median).",
                "Processes: each of four cores in turn, or of two with two processes each.",
            ]
            if table == CORES
            else ["Killed by SIGKILL; SIGHUP is what a terminal sends when it is closed."]
        ),
        "",
        f"| phase | {' | '.join(columns)} | a message |",
        f"|---|{'---|' * (len(columns) + 1)}",
    ]
    for row in rows:
        found = [places.get(Place(table, row, column), ()) for column in columns]
        said = next((line["error"] for lines in found for line in lines if line["error"]), "")
        text.append(f"| {row} | {' | '.join(map(_result, found))} | {_message(said)} |")
    return text


def _list(places: Mapping[Place, Sequence[Line]]) -> list[str]:
    text = ["| fault | phase | runs | exit code | a message |", "|---|---|---|---|---|"]
    for place, lines in places.items():
        codes = ", ".join(sorted({str(line["code"]) for line in lines}))
        said = _message(lines[0]["error"])
        text.append(f"| {place.row} | {_result(lines)} | {codes} | {said} |")
    return text


def _result(lines: Sequence[Line]) -> str:
    if not lines:
        return ""
    right = f"{sum(not line['wrong'] for line in lines)} of {len(lines)}"
    times = [line["seconds"] for line in lines if line["seconds"] is not None]
    return f"{right}, {statistics.median(times):.1f} s" if times else right


def _seconds(lines: Iterable[Line]) -> str:
    times = [line["seconds"] for line in lines]
    return f"{statistics.median(times):.1f} s (at most {max(times):.1f} s)" if times else "at once"


def _named(lines: Sequence[Line]) -> str:
    if not lines:
        return "none"
    names = sorted({f"{line['what']} while {line['phase']}" for line in lines})
    return f"{len(lines)} ({'; '.join(names)})"


def _message(text: str) -> str:
    short = re.sub(r"/\S*/(?=[^/\s])", ".../", text).replace("`", "").replace("|", "\\|")
    return short if len(short) <= 110 else f"{short[:107]}..."


if __name__ == "__main__":
    LOGS = [log for log in map(Path, sys.argv[1:]) if log.exists()]
    PAGE.write_text(
        page_of([json.loads(line) for log in LOGS for line in log.read_text().splitlines()])
    )
