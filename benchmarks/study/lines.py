"""What the cells say: K cores at their rounds, beside everything that is as fast on one device."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchmarks.study.arms import FEW_STEPS
from benchmarks.study.cells import Arm, Cell, Row, Store
from benchmarks.study.measures import Against, Spread, against, common, spread

ALONE = ("one core", *FEW_STEPS)


@dataclass(frozen=True)
class Line:
    """K cores in R rounds, and their rivals on the same prompts.

    Attributes:
        default: Whether R is the default.
        evaluations: Of all cores.
        made: By the K cores.
        alone: By one device with R evaluations, by the name of the arm.
        against: The K cores against the wavefront on one core.
        fewer: By fewer cores at their default rounds, by K; known at the default rounds.
        chords: By the paper's algorithm on as many cores, and its rounds.
    """

    cell: Cell
    cores: int
    rounds: int
    default: bool
    evaluations: int
    made: Spread
    alone: dict[str, Spread]
    against: Against | None
    fewer: dict[int, Spread]
    chords: tuple[int, Spread] | None

    def document(self) -> dict[str, Any]:
        chords = self.chords and {"rounds": self.chords[0]} | self.chords[1]._asdict()
        return self.cell._asdict() | {
            "cores": self.cores,
            "rounds": self.rounds,
            "default": self.default,
            "evaluations": self.evaluations,
            "made": self.made._asdict(),
            "alone": {name: one._asdict() for name, one in self.alone.items()},
            "against_one_core": self.against and self.against._asdict(),
            "fewer_cores": {str(k): one._asdict() for k, one in self.fewer.items()},
            "chords": chords,
        }


def lines(
    stores: Iterable[Store], cores: Sequence[int], offsets: Sequence[int] = (0,)
) -> list[Line]:
    """What is known of every cell, by cores and rounds."""
    found = []
    for store in stores:
        for k in (k for k in cores if k <= store.cell.steps):
            own = store.cell.default_rounds(k)
            asked = sorted({min(store.cell.steps, max(2, own + more)) for more in offsets})
            found += [_line(store, k, rounds, own) for rounds in asked]
    known = [line for line in found if line]
    return sorted(known, key=lambda line: (*_place(line), line.cores, line.rounds))


def lost(found: Iterable[Line]) -> list[str]:
    """By cell, where rivals come closer than the default rounds, in the median or at 90 %.

    Rivals are samplers on one device with as many evaluations, and fewer cores in as many rounds.
    """
    told = []
    for cell, several in groupby((line for line in found if line.default), lambda x: x.cell):
        beaten = [text for line in several if (text := _beaten(line))]
        if beaten:
            where = f"{cell.model}, guidance {cell.guidance:g}, {cell.steps} steps"
            told.append(f"{where}: {'; '.join(beaten)}")
    return told


def short(value: float) -> str:
    """A distance as all tables write it."""
    return f"{value:.4f}"


def _line(store: Store, cores: int, rounds: int, own: int) -> Line | None:
    row = _row(store, cores, rounds)
    here = row and spread(row.rmse)
    if not row or not here:
        return None
    others = {name: store.rows.get(Arm(name, 1, rounds)) for name in ALONE}
    fewer = {
        k: _row(store, k, store.cell.default_rounds(k))
        for k in sorted({arm.cores for arm in store.rows})
        if 1 < k < cores and rounds == own
    }
    lone = others.pop("one core") if cores == 1 else others["one core"]
    return Line(
        cell=store.cell,
        cores=cores,
        rounds=rounds,
        default=rounds == own,
        evaluations=row.evaluations,
        made=here,
        alone=_alike(others, row),
        against=against(row.rmse, lone.rmse) if lone and cores > 1 else None,
        fewer=_alike(fewer, row),
        chords=_chords(store, cores),
    )


def _row(store: Store, cores: int, rounds: int) -> Row | None:
    return store.rows.get(Arm("wavefront" if cores > 1 else "one core", cores, rounds))


def _alike(rows: dict[Any, Row | None], row: Row) -> dict[Any, Spread]:
    """Of every row, what it says of the prompts that `row` knows."""
    found = {n: spread(common(other.rmse, row.rmse)) for n, other in rows.items() if other}
    return {name: one for name, one in found.items() if one}


def _chords(store: Store, cores: int) -> tuple[int, Spread] | None:
    for arm, row in store.rows.items():
        one = spread(row.rmse)
        if (arm.name, arm.cores) == ("chords", cores) and one:
            return arm.rounds, one
    return None


def _beaten(line: Line) -> str:
    rivals = line.alone | {
        f"K={k}": one for k, one in line.fewer.items() if line.cell.default_rounds(k) <= line.rounds
    }
    closer = [
        f"{name} {_two(one)}"
        for name, one in rivals.items()
        if one.median < line.made.median or one.tail < line.made.tail
    ]
    if not closer:
        return ""
    return f"K={line.cores} in {line.rounds} {_two(line.made)} by {', '.join(closer)}"


def _place(line: Line) -> tuple[str, float, int]:
    return line.cell.model, line.cell.guidance, line.cell.steps


def _two(one: Spread) -> str:
    return f"({short(one.median)} {short(one.tail)})"
