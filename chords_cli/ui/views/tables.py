"""Draws plain tables, and the table of a plan's outputs."""

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from chords_cli.sampler.plan import Plan

Row = tuple[str | Text, ...]


def table(
    columns: Iterable[str],
    rows: Iterable[Row],
    *,
    right: Iterable[str] = (),
    whole: Iterable[str] = (),
) -> Table:
    """Draws a plain table.

    Args:
        columns: Their titles.
        rows: A cell per column.
        right: The columns of numbers.
        whole: The columns in which no word is broken, however narrow the terminal.
    """
    grid = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    numbers, unbroken = set(right), set(whole)
    for column in columns:
        grid.add_column(
            column,
            justify="right" if column in numbers else "left",
            overflow="fold",
            no_wrap=column in unbroken,
        )
    for row in rows:
        grid.add_row(*row)
    return grid


def outputs_table(plan: Plan, chosen: int) -> Table:
    """Draws a row per output of a plan: which core makes it, when, and at which cost."""
    columns = ("output", "core", "round", "speed-up", "NFE", "")
    rows = []
    for hit in plan.hits:
        style, notes = ("bold", ["the result"]) if hit.index == chosen else ("", [])
        if hit.index == 0:
            notes.append("preview")
        elif plan.visits_all(hit.core):
            notes.append("exact, as sequential")
        numbers = (
            str(hit.index),
            str(hit.core),
            str(hit.round),
            f"{plan.speedup(hit.index):.2f}x",
            str(plan.nfe_total(hit.index)),
        )
        note = Text("; ".join(notes), style or "dim")
        rows.append((*(Text(number, style) for number in numbers), note))
    return table(columns, rows, right=columns[:-1])
