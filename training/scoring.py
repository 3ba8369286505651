"""How well demo models do: verdicts added up, a table of them, and the options of the commands."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Scores = dict[str, float]
Report = dict[str, Any]
GROUPS = ("one object", "two objects")


def shares(verdicts: Sequence["DataclassInstance"]) -> Scores:
    """How often each thing is right, 0 to 1, of those cases where it can be told."""
    answers = [asdict(verdict) for verdict in verdicts]
    return {name: _share([answer[name] for answer in answers]) for name in answers[0]}


def table(report: Report) -> str:
    """A report's scores in percent, a line a group, and what else it says."""
    names = list(report[GROUPS[0]])
    lines = [f"{'right in %':14s}" + "".join(f"{name:>12s}" for name in names)]
    for group in (group for group in (*GROUPS, "all") if group in report):
        values = [100 * report[group][name] for name in names]
        lines.append(f"{group:14s}" + "".join(f"{value:12.1f}" for value in values))
    lines.append(f"autoencoder {report['psnr']:.1f} dB, {report['seconds']:.0f} s in all\n")
    return "\n".join(lines)


def parse(
    description: str | None, *, count: int, steps: int, guidance: float
) -> argparse.Namespace:
    """The options of an evaluation, with its defaults; sets the number of threads."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a diffusers folder")
    parser.add_argument("--count", type=int, default=count, help="sentences")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--guidance", type=float, default=guidance)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--grid", type=Path, help="write the pictures here, as one PNG")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


def _share(answers: list[bool | None]) -> float:
    known = [answer for answer in answers if answer is not None]
    return round(sum(known) / max(len(known), 1), 4)
