"""How close every algorithm comes, at which latency: `python -m benchmarks.fidelity --help`.

Every arm samples the same held-out prompts from the same noise, and its result is compared with
the sequential sampler's. Latency is counted in rounds, one model evaluation each, because that is
what separate devices would take; seconds are not measured here.

Sequential and few-step arms are the unmodified pipeline's own calls. Arms of several cores are
simulated in one process (`simulate`: the oracle that real processes equal bit for bit, which the
tests hold), with the drift asked for many prompts at once. The first thing that is done at every
guidance is to sample two prompts with that drift and compare them with the pipeline's own result;
the study ends there if they differ by more than rounding.

A study that ends early goes on where it was when it is started again with the same options: its
finished batches lie in OUTPUT.partial.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from chords_cli.pipelines.load.reporting import report_loading, set_environment

set_environment()

import torch  # noqa: E402  reads the environment

from benchmarks.study.arms import NAMES, NONE, arms, converged, sequential  # noqa: E402
from benchmarks.study.measures import CHANGED, Row, distinct, joined, measured  # noqa: E402
from benchmarks.study.models import ENTRIES, Asked, asked, call, fingerprint, load  # noqa: E402
from benchmarks.study.partial import Batch, Partial  # noqa: E402
from benchmarks.study.previews import Preview, joined_previews, previews  # noqa: E402
from benchmarks.study.problem import Problem  # noqa: E402
from benchmarks.study.report import plot, preview_table, table  # noqa: E402

Part = tuple[str, float, list[Asked]]
"""A model, a guidance, and the prompts that share a batch."""


def main() -> None:
    options = _parse()
    if options.show and options.output:
        sys.exit(
            "error: --show makes no study that --output could keep\nhint: leave one of them out"
        )
    documents = [json.loads(path.read_text()) for path in options.show] or [_study(options)]
    try:
        rows = distinct([Row.of(row) for document in documents for row in document["rows"]])
    except ValueError as error:
        sys.exit(f"error: {error}\nhint: show these studies one by one")
    shots = [shot for document in documents for shot in document["previews"]]
    early = [Preview.of(shot) for shot in shots]
    sys.stdout.write("\n".join(part for part in (table(rows), preview_table(early)) if part))
    if options.plot:
        plot(rows, options.plot)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=["demo-image"], choices=list(ENTRIES))
    parser.add_argument("--prompts", type=int, default=64, help="how many held-out prompts")
    parser.add_argument("--batch", type=int, default=16, help="prompts that share a batch")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 4.0, 8.0])
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--rounds", type=int, nargs="+", default=[6, 9, 12, 15, 21, 33])
    parser.add_argument(
        "--arms", nargs="+", default=[], choices=[*NAMES, NONE], help="only these algorithms"
    )
    parser.add_argument("--no-previews", action="store_true", help="leave out the preview study")
    parser.add_argument(
        "--converged",
        action="store_true",
        help="distance to the ODE's solution (four times the steps, second order) instead",
    )
    parser.add_argument(
        "--first-order", action="store_true", help="Euler's steps for a multistep model too"
    )
    parser.add_argument("--seed", type=int, default=1234, help="of the first prompt's noise")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the prompts")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--device", default="cpu", help="where the model runs, such as cuda")
    parser.add_argument(
        "--compile", action="store_true", help="the transformer; needs a C++ compiler on a CPU"
    )
    parser.add_argument("--output", type=Path, help="write all numbers, prompt by prompt, as JSON")
    parser.add_argument("--plot", type=Path, help="draw error against rounds")
    parser.add_argument(
        "--show", type=Path, nargs="+", default=[], help="no study: tables and plot of such JSONs"
    )
    return parser.parse_args()


def _study(options: argparse.Namespace) -> dict[str, Any]:
    prompts = {name: asked(name, options.prompts, options.seed) for name in options.model}
    parts = [
        (name, guidance, several[first : first + options.batch])
        for name, several in prompts.items()
        for guidance in options.guidance
        for first in range(0, len(several), options.batch)
    ]
    partial = _partial(options)
    missing = {n: part for n, part in enumerate(parts) if n not in partial.batches}
    began = time.monotonic()
    for done, (number, batch) in enumerate(_results(missing, options), 1):
        partial.add(number, batch)
        taken = time.monotonic() - began
        left = taken / done * (len(missing) - done)
        sys.stderr.write(
            f"{len(partial.batches)} of {len(parts)} batches; {done} in {taken / 60:.1f} min, "
            f"about {left / 60:.0f} left\n"
        )
    ordered = [partial.batches[number] for number in range(len(parts))]
    rows = joined([row for batch in ordered for row in batch.rows])
    early = joined_previews([one for batch in ordered for one in batch.previews])
    document = {
        "settings": _settings(options),
        "changed": CHANGED,
        "prompts": {name: [one.prompt for one in several] for name, several in prompts.items()},
        "rows": [row.document() for row in rows],
        "previews": [one.document() for one in early],
    }
    if options.output:
        options.output.write_text(json.dumps(document, indent=1) + "\n")
        partial.remove()
    return document


def _partial(options: argparse.Namespace) -> Partial:
    """What an earlier start of this study has left."""
    if not options.output:
        return Partial(None, {})
    path = options.output.with_name(options.output.name + ".partial")
    try:
        partial = Partial(path, _settings(options))
    except ValueError as error:
        sys.exit(f"error: {error}\nhint: delete it, or give another --output")
    except OSError as error:
        sys.exit(f"error: cannot write {path}: {error.strerror}\nhint: give another --output")
    if partial.batches:
        sys.stderr.write(f"goes on after {len(partial.batches)} batches of {path}\n")
    return partial


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """What decides the numbers of a study, as opposed to where they go and how fast.

    Code and weights too, so that no study goes on with others than it began with.
    """
    elsewhere = ("output", "plot", "show", "jobs")
    said = {name: value for name, value in vars(options).items() if name not in elsewhere}
    return said | {"code": fingerprint(options.model)}


def _results(parts: dict[int, Part], options: argparse.Namespace) -> Iterator[tuple[int, Batch]]:
    if options.jobs == 1:
        _prepare(options.threads)
        for number, part in parts.items():
            yield number, run_part(part, options)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context, _prepare, (options.threads,)) as pool:
        running = {pool.submit(run_part, part, options): number for number, part in parts.items()}
        for future in as_completed(running):
            yield running[future], future.result()


def _prepare(threads: int) -> None:
    torch.set_num_threads(threads)
    report_loading(lambda *_: None)


@torch.inference_mode()
def run_part(part: Part, options: argparse.Namespace) -> Batch:
    """All arms on the prompts of one batch."""
    name, guidance, several = part
    preset, pipe = load(name, first_order=options.first_order, device=options.device)
    if options.compile:
        # Only what hooks surround: `Problem` listens to them.
        pipe.transformer.forward = torch.compile(pipe.transformer.forward, dynamic=True)
    seeds = [one.seed for one in several]
    problem = Problem(
        pipe, call(preset, [one.prompt for one in several], guidance), seeds, guidance
    )
    problem.check()
    exact = sequential(problem)
    reference = converged(pipe, problem) if options.converged else exact
    frames = problem.decode(reference.latents)
    rows = []
    every = arms(pipe, problem.steps, options.cores, options.rounds, options.arms)
    for attempt in [exact, *(attempt for arm in every for attempt in arm(problem))]:
        rows.append(
            measured(
                attempt,
                reference,
                frames,
                problem=problem,
                asked=several,
                read=ENTRIES[name].read,
                model=name,
                guidance=guidance,
            )
        )
    if options.no_previews:
        return Batch(rows, [])
    parallel = [cores for cores in options.cores if cores > 1]
    return Batch(rows, previews(problem, parallel, frames, guidance))


if __name__ == "__main__":
    main()
