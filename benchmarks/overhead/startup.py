"""From the shell to the first evaluation, and from the last one to the shell.

    python -m benchmarks.overhead.startup [--json] [--drop-caches]

The real command and a model that waits (`model.py`), for several numbers of cores. Milliseconds
from the start of the command; each row is the median of `--repeats` commands. With `--drop-caches`,
which root alone may, there is a row of commands that begin with an empty page cache; the machine's
own host may still have the files in memory.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.overhead.cells import Traced, traced
from benchmarks.overhead.model import write_model, write_preset

CORES = (1, 2, 4, 8)

STAGES = {
    "resolved": "the settings are resolved",
    "started": "the first worker runs: the process that it is forked from has imported all",
    "all started": "the last worker runs",
    "loaded": "all workers have loaded and met",
    "encoded": "core 0 has encoded the prompt",
    "first": "core 0 begins its first evaluation",
    "last": "the result's core ends its last evaluation",
    "landed": "the result is in the parent",
    "saved": "its file is on the disk",
    "end": "the command has ended",
}


def stages(done: Traced, cores: int) -> dict[str, float]:
    """Returns when each stage was reached, in milliseconds from the command's start."""
    started = [at for core in range(cores) for at in done.at(f"CoreStarted {core}")]
    ready = [at for core in range(cores) for at in done.at(f"CoreReady {core}")]
    (of_cores,) = done.spans
    first = min(began for name, began, _ in of_cores[0] if name == "drift")
    landed = max(at for name, at, _ in done.heard if name.startswith("OutputLanded"))
    last = max(ended for name, _, ended in of_cores[-1] if name == "drift" and ended <= landed)
    saved = max(at for name, at, _ in done.heard if name.startswith("OutputSaved"))
    times = (
        done.at("RunResolved ")[0],
        min(started),
        max(started),
        max(ready),
        done.at("CoreEncoded 0")[0],
        first,
        last,
        landed,
        saved,
        done.ended,
    )
    return {stage: 1e3 * (at - done.began) for stage, at in zip(STAGES, times, strict=True)}


def main() -> None:
    options = _parse()
    rows = []
    with tempfile.TemporaryDirectory(prefix="chords-waiting-") as folder:
        model = Path(folder) / "model"
        write_model(model)
        line = ["--model", str(write_preset(model, 0.5, guided=False))]
        told = {"OVERHEAD_DRIFT": "0.1"}
        traced(line, cores=1, pictures=1, told=told)  # files are in memory then
        kinds = ("warm", "cold") if options.drop_caches else ("warm",)
        for cores, kind in ((cores, kind) for cores in CORES for kind in kinds):
            found = []
            for _ in range(options.repeats):
                if kind == "cold":
                    os.sync()
                    Path("/proc/sys/vm/drop_caches").write_text("3")
                found.append(stages(traced(line, cores=cores, pictures=1, told=told), cores))
            middle = {stage: statistics.median(one[stage] for one in found) for stage in STAGES}
            rows.append({"cores": cores, "kind": kind, **middle})
    sys.stdout.write((json.dumps(rows, indent=1) if options.json else table(rows)) + "\n")


def table(rows: list[dict[str, float]]) -> str:
    lines = ["".join(f"{word:>12}" for word in ("cores", "cache", *STAGES))]
    for row in rows:
        words = [str(row["cores"]), str(row["kind"]), *(f"{row[stage]:.0f}" for stage in STAGES)]
        lines.append("".join(f"{word:>12}" for word in words))
    return "\n".join([*lines, "", *(f"{stage:12} {what}" for stage, what in STAGES.items())])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--drop-caches", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
