"""Lists the layouts of devices, with what each takes and buys."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from chords_cli.records.layouts import LayoutRecord, LayoutsRecord
from chords_cli.ui.format import plural
from chords_cli.ui.views.tables import table

_COLUMNS = ("at a time", "cores", "split", "context", "devices", "rounds", "speed-up", "error", "")

_WIDTH = 78
"""Columns of a terminal with room for the table; a narrower one is spared what says nothing."""

_SAYS_NOTHING = {_COLUMNS.index("at a time"): "1"}
"""The text in all cells of a column that says nothing; for other columns it is empty."""

_MOST = 16
"""Layouts that are shown; slower ones are counted."""


def layouts_view(listed: LayoutsRecord, width: int) -> Iterator[RenderableType]:
    """Draws a row per layout, the best first, in `width` columns; says what the numbers are."""
    what = plural(listed.pictures, "picture")
    yield Text(
        f"{listed.preset}: {what} of {plural(listed.steps, 'step')} at guidance "
        f"{listed.guidance:g} on {plural(listed.devices, 'device')}",
        style="bold",
    )
    yield Text()
    shown = listed.layouts[:_MOST]
    rows = [_cells(layout, _mark(layout, listed)) for layout in shown]
    kept = [
        column
        for column, cells in enumerate(zip(*rows, strict=True))
        if width >= _WIDTH or {cell.plain for cell in cells} != {_SAYS_NOTHING.get(column, "")}
    ]
    columns = [_COLUMNS[column] for column in kept]
    shown_cells = (tuple(row[column] for column in kept) for row in rows)
    yield table(columns, shown_cells, right=_COLUMNS[:-1])
    if more := len(listed.layouts) - len(shown):
        yield Text(f"and {plural(more, 'slower one')}", style="dim")
    yield Text()
    yield Text("\n".join(_explain(listed)), style="dim")


def _mark(layout: LayoutRecord, listed: LayoutsRecord) -> str:
    """Marks the layout that a run chooses by itself; it may depend on the link."""
    first = listed.layouts[0]
    by_link = first.context > 1 and "context" not in listed.gains.measured
    if layout is first:
        return "fast link" if by_link else "chosen"
    alone = next((one for one in listed.layouts if one.context == 1), None)
    return "slow link" if by_link and layout is alone else ""


def _cells(layout: LayoutRecord, mark: str) -> tuple[Text, ...]:
    style = "bold" if mark else ""
    error = "exact" if layout.exact else "" if layout.error is None else f"{layout.error:g}"
    cells = (
        str(layout.groups),
        str(layout.cores),
        "x 2" if layout.guidance_split else "",
        f"x {layout.context}" if layout.context > 1 else "",
        str(layout.devices),
        str(layout.rounds),
        f"{layout.speedup:.2f}x",
        error,
        mark,
    )
    return tuple(Text(cell, style) for cell in cells)


def _explain(listed: LayoutsRecord) -> Iterator[str]:
    gains = listed.gains
    yield from _explain_marks(listed)
    yield "speed-up: ideally, against one device that takes every step of every picture"
    yield "error: median latent RMSE to that, measured on the built-in models"
    if any(layout.guidance_split for layout in listed.layouts):
        known = _known("split", listed)
        yield f"split: guidance on two devices, {known} {gains.split:g}x sooner"
    if any(layout.context > 1 for layout in listed.layouts):
        each = ", ".join(f"{sooner:g}x on {many}" for many, sooner in gains.context.items())
        known = _known("context", listed)
        links = "" if known == "measured" else "; only over fast links (NVLink)"
        yield f"context: tokens shared, {known} {each}{links}"


def _explain_marks(listed: LayoutsRecord) -> Iterator[str]:
    """Says which layout a run chooses; it may depend on the link."""
    marks = {mark for layout in listed.layouts[:_MOST] if (mark := _mark(layout, listed))}
    run = f"what a run {'with --exact' if listed.exact else 'without --cores'} chooses"
    if "chosen" in marks:
        yield f"chosen: {run}"
    if "fast link" in marks:
        yield f"fast link: {run} where NVLink joins every two GPUs"
    if "slow link" in marks:
        yield "slow link: what it chooses elsewhere"


def _known(name: str, listed: LayoutsRecord) -> str:
    return "measured" if name in listed.gains.measured else "assumed to be"
