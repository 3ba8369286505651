"""What `chords_cli.sampler.rounds.EXPECTED` tells users: the cells at the default rounds, in short.

    python -m benchmarks.study.expected

The geometric mean over both models and all numbers of steps, whatever their numbers of prompts.
Where some of the cores would stay free, the cell of fewer cores counts.
"""

import sys
from collections.abc import Iterable

import numpy as np

from benchmarks.study.cells import FOLDERS, Arm, Store, cells
from chords_cli.sampler.rounds import useful_cores

MODELS, STEPS, GUIDANCES = ("demo-image", "demo-video"), (20, 28, 40, 50), (1.0, 4.0, 8.0)
CORES = (1, 2, 3, 4, 8)

Told = dict[tuple[int, int], tuple[float, float]]
"""By cores and guidance: median, and what nine in ten are within."""


def expected(stores: Iterable[Store]) -> Told:
    found: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for store in stores:
        for cores in CORES:
            name, rounds = (
                "wavefront" if cores > 1 else "one core",
                store.cell.default_rounds(cores),
            )
            row = store.rows.get(Arm(name, cores, rounds))
            known = [one for one in row.rmse if one is not None] if row else []
            useful = useful_cores(store.cell.steps, cores, store.cell.guidance) == cores
            if known and useful and rounds < store.cell.steps:
                told = float(np.median(known)), float(np.quantile(known, 0.9))
                found.setdefault((cores, round(store.cell.guidance)), []).append(told)
    return {of: _mean(found[of]) for of in sorted(found)}


def known_cells() -> list[Store]:
    return [Store.read(cell, FOLDERS["study"]) for cell in cells(MODELS, STEPS, GUIDANCES)]


def _mean(told: list[tuple[float, float]]) -> tuple[float, float]:
    """To two digits."""
    median, most = np.exp(np.log(np.array(told)).mean(0))
    return float(f"{median:.2g}"), float(f"{most:.2g}")


def main() -> None:
    for of, told in expected(known_cells()).items():
        sys.stdout.write(f"    {of}: {told},\n")


if __name__ == "__main__":
    main()
