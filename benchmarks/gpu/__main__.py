"""`python -m benchmarks.gpu`: see the package's docstring."""

import argparse
import json
import shutil
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import benchmarks.gpu
from benchmarks.gpu import predict, report, sections
from benchmarks.gpu.models import models
from benchmarks.gpu.sections import Outcome, Section, Settings
from chords_cli.presets.call import true_guidance

_BEGAN = time.monotonic()


def main() -> None:
    if sys.argv[1:2] == ["part"]:  # one section's own process
        from benchmarks.gpu.part import main as do

        do(sys.argv[2])
        return
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that weights are removed
    known = models(tiny=options.tiny).values()
    work = sections.work_folder(options.work, sum(model.gigabytes for model in known))
    settings = Settings(
        device=options.device, tiny=options.tiny, limit=options.limit, work=str(work)
    )
    _say(f"weights go to {work}")
    document: dict[str, Any] = {}

    def heard(outcomes: list[Outcome], following: Section | None) -> None:
        if outcomes:
            last = outcomes[-1]
            _say(f"{last.name}: {last.state}" + (f", {last.error}" if last.error else ""))
        document.update(_document(settings, outcomes))
        if options.output:
            Path(options.output).write_text(_text(document))
        if following:
            _say(f"{following.name} ...")

    try:
        sections.run(settings, _elapsed, heard)
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)
    sys.stdout.write(_text(document) if options.json else report.table(document))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=benchmarks.gpu.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda:0", help="cuda:0 or cpu")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and few steps")
    parser.add_argument("--limit", type=float, default=480.0, help="seconds; the rest is skipped")
    parser.add_argument("--work", metavar="DIR", help="where weights go, a new folder in DIR")
    parser.add_argument("--keep", action="store_true", help="keep the weights")
    parser.add_argument("--json", action="store_true", help="JSON instead of the table")
    parser.add_argument("--output", metavar="FILE", help="the JSON too, after every section")
    return parser.parse_args()


def _document(settings: Settings, outcomes: list[Outcome]) -> dict[str, Any]:
    found = {outcome.name: outcome.notes for outcome in outcomes}
    predicted = {}
    for name, model in models(tiny=settings.tiny).items():
        chains = found.get(f"messages of {name}", {}).get("chains", [])
        guidance = true_guidance(model.pipeline, model.call)
        costs = predict.costs_of(found.get(f"{name} against stock", {}), chains, guidance)
        predicted[name] = predict.document(costs) if costs else None
    return {
        "schema": 1,
        "settings": asdict(settings),
        "seconds": round(_elapsed(), 2),
        "sections": [asdict(outcome) for outcome in outcomes],
        "predicted": predicted,
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"


def _elapsed() -> float:
    return time.monotonic() - _BEGAN


def _say(what: str) -> None:
    sys.stderr.write(f"[{_elapsed():6.1f} s] {what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
