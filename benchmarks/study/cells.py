"""The study's grid: what is asked of a cell, and what its file in `benchmarks/study/cells/` knows.

A cell is a model, a number of steps and a guidance. Its file is written anew after every batch of
prompts, so a study that ends early, or asks for more, computes only what is missing. It is JSON
with one arm a line.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from chords_cli.sampler import default_rounds

FOLDERS = {"study": Path(__file__).parent / "cells", "tuning": Path(__file__).parent / "tuning"}
"""Where cells are, by the draw of their prompts; git does not keep those of tuning."""

BATCH = 16
"""Prompts that share every model call."""

DEFAULT_STEPS, DEFAULT_GUIDANCE, DEFAULT_CORES = (28, 50), 4.0, (1, 2, 4)
"""What most people run: here `PROMPTS` are sampled, elsewhere one batch."""

PROMPTS = 64


class Cell(NamedTuple):
    """Where arms are compared with one sequential sampler."""

    model: str
    steps: int
    guidance: float

    @property
    def name(self) -> str:
        return f"{self.model}-T{self.steps}-g{self.guidance:g}"

    @property
    def usual(self) -> bool:
        return self.steps in DEFAULT_STEPS and self.guidance == DEFAULT_GUIDANCE

    def default_rounds(self, cores: int) -> int:
        return default_rounds(self.steps, cores, self.guidance)


class Arm(NamedTuple):
    """A way to a sample: the algorithm, its cores, its model evaluations one after another."""

    name: str
    cores: int
    rounds: int


@dataclass
class Row:
    """What an arm made of a cell's prompts.

    Attributes:
        evaluations: Model evaluations of all cores, for one prompt.
        rmse: Distance to the sequential result in latent units by prompt; None: not computed.
        more: Further numbers by prompt, by their name.
    """

    evaluations: int
    rmse: list[float | None] = field(default_factory=list)
    more: dict[str, list[float | None]] = field(default_factory=dict)

    def has(self, first: int, count: int) -> bool:
        some = self.rmse[first : first + count]
        return len(some) == count and None not in some

    def put(self, first: int, part: "Row") -> None:
        """Takes in the numbers of the prompts from `first` on."""
        _put(self.rmse, first, part.rmse)
        for name, values in part.more.items():
            _put(self.more.setdefault(name, []), first, values)


@dataclass
class Store:
    """The file of one cell.

    Attributes:
        code: Fingerprint of the code and the weights that made the numbers.
        rows: By arm.
    """

    cell: Cell
    code: str
    rows: dict[Arm, Row] = field(default_factory=dict)

    def missing(self, arms: Sequence[Arm], first: int, count: int) -> list[Arm]:
        """The arms that lack some of `count` prompts from `first` on."""
        return [arm for arm in arms if not (arm in self.rows and self.rows[arm].has(first, count))]

    def add(self, first: int, part: dict[Arm, Row]) -> None:
        for arm, row in part.items():
            self.rows.setdefault(arm, Row(row.evaluations)).put(first, row)

    def write(self, folder: Path) -> None:
        """Replaces the file, completely or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(_document(arm, self.rows[arm])) for arm in sorted(self.rows)]
        head = json.dumps(self.cell._asdict() | {"code": self.code})[:-1]
        path = folder / f"{self.cell.name}.json"
        part = path.with_suffix(".part")
        part.write_text(f'{head}, "rows": [\n' + ",\n".join(lines) + "\n]}\n")
        part.replace(path)

    @classmethod
    def read(cls, cell: Cell, folder: Path, code: str | None = None) -> "Store":
        """What is known of the cell; nothing if other code than `code` made it."""
        path = folder / f"{cell.name}.json"
        if not path.exists():
            return cls(cell, code or "")
        document = json.loads(path.read_text())
        if code not in (None, document["code"]):
            return cls(cell, code or "")
        rows = {
            Arm(row.pop("arm"), row.pop("cores"), row.pop("rounds")): Row(**row)
            for row in document["rows"]
        }
        return cls(cell, document["code"], rows)


def cells(models: Sequence[str], steps: Sequence[int], guidance: Sequence[float]) -> list[Cell]:
    """All cells, those first in which most people sample."""
    every = [Cell(m, t, g) for g in guidance for t in steps for m in models]
    return sorted(every, key=lambda cell: (not cell.usual, cell.guidance != DEFAULT_GUIDANCE))


def rounded(values: Sequence[float]) -> list[float | None]:
    """To five digits, which keeps files small."""
    return [float(f"{value:.5g}") for value in values]


def _document(arm: Arm, row: Row) -> dict[str, Any]:
    told = {"arm": arm.name, "cores": arm.cores, "rounds": arm.rounds}
    told |= {"evaluations": row.evaluations, "rmse": row.rmse}
    return told | ({"more": row.more} if row.more else {})


def _put(values: list[float | None], first: int, part: Sequence[float | None]) -> None:
    values += [None] * (first + len(part) - len(values))
    values[first : first + len(part)] = part
