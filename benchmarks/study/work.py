"""Computes what is missing of the cells, a batch of prompts of one cell at a time."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.study.arms import FEW_STEPS, arms, made, plan_of
from benchmarks.study.cells import (
    BATCH,
    DEFAULT_CORES,
    PROMPTS,
    Arm,
    Cell,
    Row,
    Store,
    rounded,
)
from benchmarks.study.models import asked, call, fingerprint, load
from benchmarks.study.parent import end_with_parent
from benchmarks.study.problem import Problem
from chords_cli.media.metrics import rmse
from chords_cli.pipelines.load.reporting import report_loading

SIXTEENTH = 0.01
"""Seconds of one evaluation with guidance for one prompt, in a batch of 16 on one core."""


class Wanted(NamedTuple):
    """What to sample in every cell.

    Attributes:
        cores: The K's.
        offsets: How many rounds more than the default, each a row.
        names: Of arms.
        prompts: How many everywhere; None: `PROMPTS` where most people sample, a batch elsewhere.
    """

    cores: Sequence[int]
    offsets: Sequence[int]
    names: Sequence[str]
    prompts: int | None = None

    def of(self, cell: Cell, first: int) -> list[Arm]:
        """The arms that sample the prompts from `first` on."""
        if self.prompts is not None or first < BATCH:
            return arms(cell, self.cores, self.offsets, self.names)
        usual = [k for k in self.cores if k in DEFAULT_CORES]
        return arms(cell, usual, self.offsets, [name for name in self.names if name != "chords"])

    def batches(self, cell: Cell) -> list[tuple[int, int]]:
        """First prompt and number of prompts of every batch."""
        whole = self.prompts or (PROMPTS if cell.usual else BATCH)
        return [(first, min(BATCH, whole - first)) for first in range(0, whole, BATCH)]


class Part(NamedTuple):
    """A batch of prompts of one cell, and the arms that have not sampled it."""

    cell: Cell
    first: int
    count: int
    arms: list[Arm]
    draw: str = "study"

    @property
    def seconds(self) -> float:
        """About how long it takes on one core."""
        calls = self.cell.steps + sum(_cost(arm, self.cell) for arm in self.arms)
        return calls * self.count * SIXTEENTH * (0.5 if self.cell.guidance == 1 else 1.0)


def opened(
    cells: Sequence[Cell], folder: Path, *, draw: str = "study", any_code: bool = False
) -> dict[Cell, Store]:
    """What is known of the cells, but for what other code has made."""
    codes = {name: fingerprint(name, draw) for name in {cell.model for cell in cells}}
    found = {}
    for cell in cells:
        found[cell] = Store.read(cell, folder, None if any_code else codes[cell.model])
        found[cell].code = codes[cell.model]
    return found


def missing(stores: dict[Cell, Store], wanted: Wanted, draw: str = "study") -> list[Part]:
    """The work that is left, in the order of the cells."""
    parts = [
        Part(cell, first, count, store.missing(wanted.of(cell, first), first, count), draw)
        for cell, store in stores.items()
        for first, count in wanted.batches(cell)
    ]
    return [part for part in parts if part.arms]


def run(
    parts: Sequence[Part],
    stores: dict[Cell, Store],
    folder: Path,
    *,
    jobs: int,
    threads: int,
    say: Callable[[str], None],
) -> None:
    """Computes parts and writes the file of a cell after each of them."""
    began, done = time.monotonic(), 0.0
    whole = sum(part.seconds for part in parts)
    for number, (part, rows) in enumerate(_results(parts, jobs, threads), 1):
        stores[part.cell].add(part.first, rows)
        stores[part.cell].write(folder)
        done += part.seconds
        taken = time.monotonic() - began
        say(
            f"{part.cell.name}, prompts {part.first} to {part.first + part.count - 1}: "
            f"{number} of {len(parts)} parts in {taken / 60:.1f} min, "
            f"about {taken / done * (whole - done) / 60:.0f} min left"
        )


@torch.inference_mode()
def sampled(part: Part) -> dict[Arm, Row]:
    """The rows of one part."""
    cell = part.cell
    preset, pipe = load(cell.model)
    several = asked(cell.model, part.first + part.count, part.draw)[part.first :]
    prompts, seeds = zip(*several, strict=True)
    problem = Problem(
        pipe, call(preset, list(prompts), cell.steps, cell.guidance), seeds, cell.guidance
    )
    problem.check()
    return measured(problem, part.arms, cell.guidance)


def measured(problem: Problem, wanted: Sequence[Arm], guidance: float) -> dict[Arm, Row]:
    """How far every arm is from the sequential result, prompt by prompt."""
    exact = problem.path[-1].float().numpy()
    rows = {}
    for arm in wanted:
        found = made(arm, problem, guidance)
        pairs = zip(found.latents.float().numpy(), exact, strict=True)
        more = {name: rounded(values) for name, values in found.more.items()}
        rows[arm] = Row(found.evaluations, rounded([rmse(a, b) for a, b in pairs]), more)
    return rows


def _results(
    parts: Sequence[Part], jobs: int, threads: int
) -> Iterator[tuple[Part, dict[Arm, Row]]]:
    if jobs == 1:
        _prepare(threads)
        for part in parts:
            yield part, sampled(part)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _prepare, (threads,)) as pool:
        running = {pool.submit(sampled, part): part for part in parts}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare(threads: int) -> None:
    end_with_parent()
    torch.set_num_threads(threads)
    report_loading(lambda *_: None)


def _cost(arm: Arm, cell: Cell) -> int:
    """How many evaluations an arm makes; what core 0 evaluates is known."""
    if arm.name in FEW_STEPS or arm.cores == 1:
        return arm.rounds
    if arm.name.startswith(("ParaDiGMS", "SRDS")):
        return 2 * cell.steps
    plan = plan_of(arm, cell.steps, cell.guidance)
    return plan.nfe_run(1) - plan.until(1).evaluations[0]
