"""Pictures an hour of a command with many prompts.

    python -m benchmarks.overhead.many [--json] [--pictures 12]

The real command with a prompt a picture, and a model that waits 100 ms an evaluation, and so long
for a prompt, for decoding and for writing the file as a row says. *Ideal* is what the core that
decodes allows: its rounds and its decoding, one picture after the other. Counted from the first
picture's end to the last one's, so that starting does not count.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.overhead.cells import traced
from benchmarks.overhead.model import write_model, write_preset

DRIFT, STEPS = 0.1, 28


@dataclass(frozen=True)
class Case:
    """What is run: K, and seconds of the parts of a picture that are not sampling."""

    cores: int
    encode: float
    decode: float
    save: float
    algo: str = "wavefront"


CASES = (
    Case(4, 0.0, 0.0, 0.0),
    Case(4, 0.0, 1.0, 0.0),
    Case(4, 0.5, 1.0, 0.5),
    Case(4, 0.5, 1.0, 3.0),
    Case(8, 0.5, 1.0, 0.5),
    Case(4, 0.5, 1.0, 0.5, "chords"),
    Case(1, 0.5, 1.0, 0.5, "sequential"),
)


def row(case: Case, preset: Path, pictures: int) -> dict[str, Any]:
    """Runs a case and returns how it went."""
    prompts = [f"number {number}" for number in range(1, pictures + 1)]
    line = [*prompts, "--model", str(preset), "--algo", case.algo, "--steps", str(STEPS)]
    told = {
        "OVERHEAD_DRIFT": str(DRIFT),
        "OVERHEAD_ENCODE": str(case.encode),
        "OVERHEAD_DECODE": str(case.decode),
        "OVERHEAD_SAVE": str(case.save),
    }
    done = traced(line, cores=case.cores, pictures=pictures, told=told, each=1)
    ends = done.at("PromptDone ")
    each = (ends[-1] - ends[0]) / (len(ends) - 1)
    rounds = done.record["prompts"][0]["rounds"]
    ideal = rounds * DRIFT + case.decode
    return asdict(case) | {
        "rounds": rounds,
        "each": round(each, 4),
        "ideal": round(ideal, 4),
        "an_hour": round(3600 / each),
        "first": round(ends[0] - done.at("PromptStarted ")[0], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pictures", type=int, default=12, help="of each command")
    options = parser.parse_args()
    if options.pictures < 2:
        sys.exit("error: --pictures is less than 2")
    with tempfile.TemporaryDirectory(prefix="chords-waiting-") as folder:
        model = Path(folder) / "model"
        write_model(model)
        preset = write_preset(model, 0.5, guided=False)
        found = [row(case, preset, options.pictures) for case in CASES]
    if options.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    words = ("algo", "cores", "encode", "decode", "save", "rounds", "first", "each", "ideal")
    _say(*(f"{word:>11}" for word in (*words, "an hour")))
    for one in found:
        _say(*(f"{one[word]:>11}" for word in (*words, "an_hour")))


def _say(*words: str) -> None:
    sys.stdout.write("".join(words) + "\n")


if __name__ == "__main__":
    main()
