"""How close cores come at their default rounds, and what one device does in as many.

    python -m benchmarks.rounds --jobs 2                         # computes what is missing
    python -m benchmarks.rounds --show --markdown                # the tables of RESULTS.md

Every cell (model, steps T, guidance) holds the stock sequential result of held-out prompts, and the
distance to it of the wavefront on K cores, of the wavefront and of few-step samplers on one device
in as many evaluations, and of the paper's algorithm. All cores are simulated in one process
(`simulate`: the oracle that real processes equal bit for bit, which the tests hold), with the drift
asked for 16 prompts at once. Before a batch is sampled, two of its prompts are sampled with that
drift and compared with the pipeline's own result; the study ends if they differ by more than
rounding.

Cells lie in `benchmarks/study/cells/`. What they hold is not computed again, unless sampler,
pipelines or weights have changed since. To decide something, such as a mesh, use `--tuning`: it
samples other prompts into `benchmarks/study/tuning/`, so that nothing is tuned on the study's.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from chords_cli.pipelines.load.reporting import set_environment

set_environment()  # before torch reads it

from benchmarks.study.arms import NAMES, USUAL  # noqa: E402
from benchmarks.study.cells import FOLDERS, cells  # noqa: E402
from benchmarks.study.lines import lines  # noqa: E402
from benchmarks.study.models import PROMPTS_OF  # noqa: E402
from benchmarks.study.report import estimates, extras, markdown, plot, table  # noqa: E402
from benchmarks.study.work import Wanted, missing, opened, run  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    every = cells(options.model, options.steps, options.guidance)
    draw = "tuning" if options.tuning else "study"
    folder = options.cells or FOLDERS[draw]
    stores = opened(every, folder, draw=draw, any_code=options.any_code or options.show)
    wanted = Wanted(options.cores, options.rounds, options.arms, options.prompts)
    parts = [] if options.show else missing(stores, wanted, draw)
    if parts:
        hours = sum(part.seconds for part in parts) / 3600
        _say(f"{len(parts)} parts are missing: about {hours:.2f} hours of one free CPU core")
    if options.dry_run:
        return
    run(parts, stores, folder, jobs=options.jobs, threads=options.threads, say=_say)
    found = lines(stores.values(), options.cores, options.rounds)
    if options.json:
        sys.stdout.write(json.dumps([line.document() for line in found], indent=1) + "\n")
    else:
        sys.stdout.write((markdown if options.markdown else table)(found))
        sys.stdout.write("\n" + estimates(stores.values()))
        sys.stdout.write(extras(stores.values()))
    if options.plot:
        plot(list(stores.values()), found, options.plot)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", nargs="+", default=list(PROMPTS_OF), choices=list(PROMPTS_OF))
    add("--steps", type=int, nargs="+", default=[20, 28, 40, 50], help="T")
    add("--guidance", type=float, nargs="+", default=[1.0, 4.0, 8.0])
    add("--cores", type=int, nargs="+", default=[1, 2, 3, 4, 8], help="K")
    add(
        "--rounds",
        type=int,
        nargs="+",
        default=[0],
        metavar="MORE",
        help="rounds beyond the default ones, each a row: --rounds -2 0 2 shows the slope",
    )
    add(
        "--prompts",
        type=int,
        help="how many everywhere (default: 64 at guidance 4 with 28 and "
        "50 steps for 1, 2 and 4 cores, else 16)",
    )
    add(
        "--arms",
        nargs="+",
        default=list(USUAL),
        choices=list(NAMES),
        metavar="ARM",
        help=f"only these: {', '.join(NAMES)}",
    )
    add("--jobs", type=int, default=1, help="processes; each computes a batch of a cell")
    add("--threads", type=int, default=1, help="of each process")
    add("--cells", type=Path, metavar="FOLDER", help="where cells are")
    add("--tuning", action="store_true", help="prompts and noise on which to decide something")
    add("--any-code", action="store_true", help="keep cells that other code has made")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--show", action="store_true", help="compute nothing")
    shown.add_argument("--dry-run", action="store_true", help="say how long it would take")
    add("--markdown", action="store_true", help="tables as Markdown")
    add("--json", action="store_true", help="what the tables hold, as JSON")
    add("--plot", type=Path, metavar="FILE", help="draw error against rounds")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    os.nice(19)  # its processes too: whatever else runs comes first
    main()
