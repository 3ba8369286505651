"""Shows an examination as it goes on: a heading per topic, a line per check."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chords_cli.records.doctor import Check, DoctorRecord, State
from chords_cli.ui.format import duration, plural

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}

_NAME = 11
"""Columns of a check's name; a longer one is folded."""


class CheckLines:
    """Draws checks one by one; the first of a topic comes below its heading."""

    def __init__(self) -> None:
        self._topic = ""

    def draw(self, check: Check) -> RenderableType:
        """Draws a check, and what to do below it."""
        begins = check.topic != self._topic
        space = [Text()] if self._topic and begins else []
        heading = [*space, Text(check.topic, style="bold")] if begins else []
        self._topic = check.topic
        return Group(*heading, _draw(check))


def verdict(record: DoctorRecord) -> Text:
    """Sums up an examination in one line."""
    states: tuple[State, ...] = ("ok", "warn", "fail")
    counts = {state: sum(one.state == state for one in record.checks) for state in states}
    told = Text("\n")
    for state, count in counts.items():
        if count:
            told.append(", " if len(told) > 1 else "").append(
                f"{count} {state}", style=_STYLES[state]
            )
    many = plural(len(record.checks), "check")
    return told.append(f" of {many} for {record.model} in {duration(record.seconds)}", style="dim")


def _draw(check: Check) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=5)
    grid.add_column(width=_NAME, overflow="fold")
    grid.add_column(overflow="fold")
    grid.add_row(Text(f" {check.state}", _STYLES[check.state]), check.name, Text(check.found))
    if check.remedy:
        grid.add_row("", "", Text.assemble(("hint: ", "bold cyan"), check.remedy))
    return grid
