"""An output is decoded on its own core while others go on.

    python -m benchmarks.overhead.decode [--json]

The real command with `--all-cores` and a model that waits 100 ms an evaluation and a second for
decoding. For every output: when it landed and when its picture was there, and how much longer than
without a decoder the other cores' rounds took meanwhile. Seconds from the end of encoding.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.overhead.cells import Spans, Traced, traced
from benchmarks.overhead.model import write_model, write_preset

CORES, DRIFT, DECODE = 4, 0.1, 1.0


def rows(done: Traced) -> list[dict[str, Any]]:
    """Returns a row per core that decoded."""
    (spans,), began = done.spans, done.at("CoreEncoded 0")[0]
    calm = statistics.median(
        gap for core in spans for at, gap in _gaps(core) if not _decoding(spans, at)
    )
    found = []
    for core, of_core in enumerate(spans):
        for name, start, end in of_core:
            if name == "decode":
                others = [
                    gap
                    for other, of_other in enumerate(spans)
                    for at, gap in _gaps(of_other)
                    if other != core and start <= at < end
                ]
                found.append(
                    {
                        "core": core,
                        "decode_began": start - began,
                        "decoded": end - began,
                        "rounds_of_others": len(others),
                        "a_round_meanwhile": statistics.median(others) if others else None,
                        "a_round_else": calm,
                    }
                )
    return found


def _gaps(spans: Spans) -> list[tuple[float, float]]:
    """Returns when each round but the last began, and how long it took."""
    starts = [began for name, began, _ in spans if name == "drift"]
    return [(a, b - a) for a, b in itertools.pairwise(starts)]


def _decoding(spans: list[Spans], at: float) -> bool:
    return any(
        name == "decode" and start <= at < end for core in spans for name, start, end in core
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chords-waiting-") as folder:
        model = Path(folder) / "model"
        write_model(model)
        preset = write_preset(model, 0.5, guided=False)
        told = {"OVERHEAD_DRIFT": str(DRIFT), "OVERHEAD_DECODE": str(DECODE)}
        line = ["--model", str(preset), "--all-cores", "--steps", "28"]
        found = rows(traced(line, cores=CORES, pictures=1, told=told))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    words = ("core", "decoding from", "to", "rounds of others", "ms each", "else")
    _say(*(f"{word:>18}" for word in words))
    for row in found:
        each = row["a_round_meanwhile"]
        meanwhile = "" if each is None else f"{1e3 * each:.1f}"
        times = (row["decode_began"], row["decoded"])
        numbers = (f"{row['core']}", *(f"{at:.2f}" for at in times), f"{row['rounds_of_others']}")
        else_ = f"{1e3 * row['a_round_else']:.1f}"
        _say(*(f"{word:>18}" for word in (*numbers, meanwhile, else_)))


def _say(*words: str) -> None:
    sys.stdout.write("".join(words) + "\n")


if __name__ == "__main__":
    main()
