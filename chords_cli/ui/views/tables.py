"""Tables for people."""

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from chords_cli.sampler.plan import Hit, Plan

Row = tuple[str | Text, ...]


def table(columns: Iterable[str], rows: Iterable[Row], *, right: Iterable[str] = ()) -> Table:
    """A plain table; the columns in `right` are numbers."""
    grid = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    numbers = set(right)
    for column in columns:
        grid.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def outputs_table(plan: Plan, chosen: int) -> Table:
    """Every output of a plan: who makes it, when, and at which cost."""
    columns = ("output", "core", "round", "speed-up", "NFE", "")
    rows = []
    for hit in plan.hits:
        note = _note(hit, plan.visits_all(hit.core), chosen)
        style = "bold" if hit.index == chosen else ""
        numbers = (
            str(hit.index),
            str(hit.core),
            str(hit.round),
            f"{plan.speedup(hit.index):.2f}x",
            str(plan.nfe_total(hit.index)),
        )
        rows.append((*(Text(number, style) for number in numbers), Text(note, style or "dim")))
    return table(columns, rows, right=columns[:-1])


def _note(hit: Hit, exact: bool, chosen: int) -> str:
    meaning = "preview" if hit.index == 0 else "exact, as sequential" if exact else ""
    if hit.index != chosen:
        return meaning
    return f"the result; {meaning}" if meaning else "the result"
