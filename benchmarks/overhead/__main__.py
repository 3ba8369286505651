"""What the program adds to the model's time.

    python -m benchmarks.overhead [--json FILE] [--timeline] [CELL...]

The real command, with one process a core (two with the guidance split), and a model that waits by
sleeping, so that few CPU cores stand for many devices. *Efficiency* is rounds x one evaluation over
the measured sampling time: what is missing to 1 is the program's. Each cell is one command of
several pictures: the first is cold, `warm` is the median of the others.

CELL is ALGO,CORES,MS,MB[,split][,free][,T=28]; without any, all of `CELLS` are run. `free` leaves
out the wavefront's arithmetic, which a GPU does beside the host: its pictures are wrong, and what
is left is the exchange and Python. `--timeline` shows what every core did when.

What this cannot show: copies to and from a device, and devices that slow each other down. Where
there are fewer CPU cores than processes, they wait for each other's turn, which counts against us.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.overhead.cells import Cell, Spans, Taken, run, summary
from benchmarks.overhead.model import write_model

CELLS = (
    *(Cell("wavefront", k, drift, 0.5) for drift in (100, 20) for k in (1, 2, 4, 8, 16)),
    *(Cell("wavefront", 8, drift, 4.0) for drift in (20, 100, 500)),
    *(Cell("wavefront", k, 500, 17.0) for k in (2, 4, 8)),
    Cell("wavefront", 8, 500, 0.5),
    Cell("wavefront", 8, 100, 0.5, steps=28),
    *(Cell("wavefront", k, 100, 0.5, split=True) for k in (1, 2, 4)),
    *(Cell("wavefront", 8, drift, 0.5, free=True) for drift in (100, 20)),
    *(Cell("wavefront", k, 500, 17.0, free=True) for k in (2, 8)),
    *(Cell("chords", k, 100, 0.5) for k in (4, 8)),
    Cell("chords", 8, 20, 0.5),
    Cell("chords", 8, 500, 17.0),
    *(Cell("sequential", 1, drift, mb) for drift, mb in ((100, 0.5), (20, 0.5), (500, 17.0))),
)

PARTS = ("compute", "wait", "exchange", "move", "late", "python")

WIDTH = 100
"""Characters of a timeline."""

MARKS = (("drift", "#"), ("receive", "."), ("send", ">"), ("split", "="), ("advance", "+"))
"""What a character of a timeline stands for; what comes first wins, and a blank is all else."""


def main() -> None:
    options = _parse()
    rows = json.loads(options.json.read_text())["rows"] if _begun(options.json) else []
    done = {row["cell"] for row in rows}
    _say(_line(["cell", "rounds", "cold", "warm", "last core, ms a round:", *PARTS[1:]]))
    for row in rows:
        _say(_shown(row))
    with tempfile.TemporaryDirectory(prefix="chords-waiting-") as folder:
        model = Path(folder) / "model"
        write_model(model)
        for cell in options.cells:
            if cell.name in done:
                continue
            load = os.getloadavg()[0]
            taken = run(cell, model, options.pictures)
            rows.append(summary(cell, taken) | {"load": round(load, 2)})
            _say(_shown(rows[-1]))
            if options.timeline:
                _say(timeline(taken[-1]))
            if options.json:
                options.json.write_text(json.dumps(_document(options, rows), indent=1) + "\n")


def timeline(taken: Taken) -> str:
    """Draws what every core did when, until the result."""
    return "\n".join(
        f"{core:3} {''.join(_mark(spans, n, taken.sample) for n in range(WIDTH))}"
        for core, spans in enumerate(taken.timeline)
    )


def _mark(spans: Spans, column: int, sample: float) -> str:
    began, ended = (edge * sample / WIDTH for edge in (column, column + 1))
    longest, found, inside = 0.0, " ", 0.0
    for label, mark in MARKS:
        own = ((a, b) for name, a, b in spans if name == label)
        shared = sum(max(0.0, min(b, ended) - max(a, began)) for a, b in own)
        if label == "advance":  # the others but the model's are inside of it
            shared -= inside
        elif label != "drift":
            inside += shared
        if shared > longest:
            longest, found = shared, mark
    return found


def _shown(row: dict[str, Any]) -> str:
    last, rounds = row["cores"][-1], row["rounds"]
    parts = [f"{1e3 * last[part] / rounds:.1f}" for part in PARTS[1:]]
    words = [row["cell"], row["rounds"], f"{row['cold']:.3f}", f"{row['warm']:.3f}", ""]
    return _line([*words, *parts])


def _line(words: list[Any]) -> str:
    return f"{words[0]:42}{words[1]:>7}{words[2]:>8}{words[3]:>8}  {words[4]:24}" + "".join(
        f"{word:>10}" for word in words[5:]
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _begun(path: Path | None) -> bool:
    return path is not None and path.exists()


def _document(options: argparse.Namespace, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        "pictures": options.pictures,
        "rows": rows,
    }


def _cell(text: str) -> Cell:
    algo, cores, drift, megabytes, *more = text.split(",")
    steps = next((int(word[2:]) for word in more if word.startswith("T=")), 50)
    unknown = [word for word in more if word not in ("split", "free") and word[:2] != "T="]
    if unknown:
        raise argparse.ArgumentTypeError(f"{text}: what is {unknown[0]}?")
    return Cell(
        algo, int(cores), float(drift), float(megabytes), steps, "split" in more, "free" in more
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", type=_cell, metavar="CELL", default=list(CELLS))
    parser.add_argument("--pictures", type=int, default=4, help="of each command")
    parser.add_argument("--timeline", action="store_true", help="show what every core did when")
    parser.add_argument("--json", type=Path, help="write the rows there; a run goes on with them")
    options = parser.parse_args()
    if options.pictures < 1:
        sys.exit("error: --pictures is less than 1")
    return options


if __name__ == "__main__":
    main()
