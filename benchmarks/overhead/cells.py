"""One cell of the table: a real command with real processes and a model that waits."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.overhead.model import write_preset

HOOKS = Path(__file__).with_name("hooks")
ROOT = Path(__file__).parents[2]

Spans = list[tuple[str, float, float]]


@dataclass(frozen=True, order=True)
class Cell:
    """What is run.

    Attributes:
        algo: The algorithm.
        cores: K.
        drift: Milliseconds of one evaluation of the model.
        megabytes: Of one latent in float32.
        steps: T.
        split: Whether each core is two processes, one for each half of guidance.
        free: Whether the wavefront's arithmetic is left out.
    """

    algo: str
    cores: int
    drift: float
    megabytes: float
    steps: int = 50
    split: bool = False
    free: bool = False

    @property
    def name(self) -> str:
        more = f"{' split' if self.split else ''}{' free' if self.free else ''}"
        steps = f", {self.steps} steps" if self.steps != 50 else ""
        return f"{self.algo} {self.cores}, {self.drift:g} ms, {self.megabytes:g} MB{steps}{more}"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """How a picture's sampling went, in seconds.

    Attributes:
        rounds: R.
        sample: To the result's latent, from the end of encoding, or from when the last core had
            let go of the picture before.
        late: How much later than core 0 the last core begins its first evaluation.
        shares: Per core what of that time went to what.
        timeline: Per core its spans, counted from when that time began.
    """

    rounds: int
    sample: float
    late: float
    shares: list[dict[str, float]]
    timeline: list[Spans]

    def efficiency(self, drift: float) -> float:
        """Rounds times one evaluation, over what sampling took."""
        return self.rounds * drift / self.sample


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A command that has ended, and what its processes noted.

    Attributes:
        record: Its `run.json`.
        began: When it was started, on the machine's monotonic clock.
        ended: When it ended.
        heard: What the parent noted: events, as it heard of them.
        spans: Per picture and core what the core noted.
    """

    record: dict[str, Any]
    began: float
    ended: float
    heard: Spans
    spans: list[list[Spans]]

    def at(self, event: str) -> list[float]:
        """Returns when events of that name happened, such as `CoreEncoded 0`."""
        return [at for name, at, _ in self.heard if name == event]


def traced(
    line: Sequence[str],
    *,
    cores: int,
    pictures: int,
    told: Mapping[str, str],
    kind: str = "image",
    each: int | None = None,
) -> Traced:
    """Runs `chords` with that line, cores and pictures, and notes what its processes do.

    So many pictures of `each` prompt; without it, of the only one.
    """
    with tempfile.TemporaryDirectory(prefix="chords-overhead-") as folder:
        trace, out = Path(folder, "trace"), Path(folder, "out")
        trace.mkdir()
        whole = [sys.executable, "-m", "chords_cli", kind, *line, "--cores", str(cores)]
        whole += ["--num", str(each or pictures), "--devices", "cpu", "--output", str(out)]
        own = os.environ.get("PYTHONPATH")  # the packages may come by it
        paths = os.pathsep.join([str(HOOKS), str(ROOT), *([own] if own else [])])
        known = {"PYTHONPATH": paths, "OVERHEAD_TRACE": str(trace), "HF_HUB_OFFLINE": "1"}
        began = time.monotonic()
        done = subprocess.run(
            whole, env=os.environ | known | told, cwd=ROOT, capture_output=True, text=True
        )
        ended = time.monotonic()
        if done.returncode:
            raise SystemExit(f"{' '.join(whole)} ended with {done.returncode}:\n{done.stderr}")
        return Traced(
            record=json.loads((out / "run.json").read_text()),
            began=began,
            ended=ended,
            heard=_read(trace / "parent.json"),
            spans=[
                [_read(trace / f"core-{core}-0-{number}.json") for core in range(cores)]
                for number in range(1, pictures + 1)
            ],
        )


def run(cell: Cell, model: Path, pictures: int) -> list[Taken]:
    """Makes so many pictures with one command; the first is cold."""
    preset = write_preset(model, cell.megabytes, guided=cell.split)
    line = ["--model", str(preset), "--algo", cell.algo, "--steps", str(cell.steps)]
    line += ["--guidance-split"] if cell.split else []
    told = {"OVERHEAD_DRIFT": str(cell.drift / 1e3), "OVERHEAD_FREE": str(int(cell.free))}
    done = traced(line, cores=cell.cores, pictures=pictures, told=told)
    entries = done.record["prompts"]
    return [_taken(entry, spans) for entry, spans in zip(entries, done.spans, strict=True)]


def _read(path: Path) -> Spans:
    return [(name, began, ended) for name, began, ended in json.loads(path.read_text())]


def _taken(entry: dict[str, Any], spans: Sequence[Spans]) -> Taken:
    sample = float(entry["seconds"]["sample"])
    # the last core may have been busy with the picture before when this one's prompt was encoded
    encoded = max(ended for name, _, ended in spans[-1] if name == "land") - sample
    moved = [
        [(name, began - encoded, ended - encoded) for name, began, ended in of_core]
        for of_core in spans
    ]
    firsts = [next(began for name, began, _ in core if name == "drift") for core in moved]
    return Taken(
        rounds=entry["rounds"],
        sample=sample,
        late=firsts[-1] - firsts[0],
        shares=[_shares(core, sample) for core in moved],
        timeline=moved,
    )


def _shares(spans: Spans, until: float) -> dict[str, float]:
    """Returns what a core's time until the result went to.

    `compute` is the model, `wait` a receive, `exchange` a send or what the halves of guidance tell
    each other, `move` the rest of a step (arithmetic and messages to the pool), `python` all else:
    the pipeline's own loop, and what comes before and after it.
    """
    within = [(n, a, min(b, until)) for n, a, b in spans if a < until and b > 0.0]
    total = {
        label: sum(ended - max(0.0, began) for name, began, ended in within if name == label)
        for label in ("drift", "receive", "send", "split", "advance")
    }
    first = min((began for name, began, _ in within if name == "begin"), default=0.0)
    moving = max(0.0, total["advance"] - total["receive"] - total["send"] - total["split"])
    shares = {
        "compute": total["drift"],
        "wait": total["receive"],
        "exchange": total["send"] + total["split"],
        "move": moving,
        "late": max(0.0, first),
    }
    return shares | {"python": max(0.0, until - sum(shares.values()))}


def summary(cell: Cell, taken: Sequence[Taken]) -> dict[str, Any]:
    """Returns a cell's row: the cold picture, and the median of the warm ones."""
    warm = sorted(taken[1:] or taken, key=lambda one: one.sample)
    middle = warm[len(warm) // 2]
    drift = cell.drift / 1e3
    return {
        "cell": cell.name,
        "rounds": middle.rounds,
        "ideal": round(middle.rounds * drift, 4),
        "cold": round(taken[0].efficiency(drift), 4),
        "warm": round(statistics.median(one.efficiency(drift) for one in warm), 4),
        "late": round(middle.late, 4),
        "cores": [{name: round(x, 4) for name, x in core.items()} for core in middle.shares],
    }
