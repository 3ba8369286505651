"""What the commands of all demo models have in common: stages, options, a log."""

import argparse
import logging
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import torch

from training.loop import Schedule

Stages = dict[str, Callable[[argparse.Namespace], None]]


def run(
    stages: Stages, *, description: str | None, preset: str, starts: Collection[str] = ()
) -> None:
    """Parse the command line and run the stage that it names.

    Args:
        stages: the stages by name, in their order.
        description: what the command does.
        preset: the folder that the last stage writes by default.
        starts: the stages that can begin with a shipped model's weights.
    """
    options = _parse(stages, description, preset, starts)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if options.threads:
        torch.set_num_threads(options.threads)
    stages[options.stage](options)


def schedule(options: argparse.Namespace, *, steps: int) -> Schedule:
    """The schedule that the options ask for; `steps` where they don't say."""
    if options.seconds:
        return Schedule.lasting(options.seconds, steps=options.steps or sys.maxsize)
    return Schedule(steps=options.steps or steps, decay=options.decay)


def _parse(
    stages: Stages, description: str | None, preset: str, starts: Collection[str]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=list(stages))
    parser.add_argument(
        "--output", type=Path, required=True, help="where checkpoints and samples go"
    )
    parser.add_argument("--preset", type=Path, default=Path(preset))
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FOLDER",
        help="begin with a shipped model's weights; say it again to resume",
    )
    parser.add_argument("--steps", type=int, help="the step to end at")
    parser.add_argument("--decay", type=int, default=500, help="last steps, of falling rate")
    parser.add_argument(
        "--seconds", type=float, help="end after so long, the rate falling over the last 40 %%"
    )
    parser.add_argument("--batch", type=int, help="scenes or clips of a step")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that draw scenes or clips ahead"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler on a CPU")
    parser.add_argument("--threads", type=int, help="CPU threads to use")
    parser.add_argument("--pairs", type=float, default=0.3, help="part of clips with two shapes")
    parser.add_argument("--last", action="store_true", help="export the last weights, no average")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.start and options.stage not in starts:
        parser.error(f"{options.stage} takes no --start")
    return options
