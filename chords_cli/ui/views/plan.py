"""Draws a plan as a chart: rounds across, cores down, the evaluated grid step in each cell."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from chords_cli.sampler.plan import Plan
from chords_cli.sampler.rounds import caution, default_rounds, expected_error, free_cores
from chords_cli.ui.format import headline, plural

RECTIFIED, PREVIEW, OUTPUT, EVALUATED, SAME = "↓", "○", "●", "·", "="
_STYLES = {RECTIFIED: "magenta", PREVIEW: "cyan", OUTPUT: "bold green", EVALUATED: "", SAME: ""}
_LABEL, _NOTE = 8, 60


@dataclass(frozen=True, slots=True)
class Cell:
    """What one core does in one round: the step that it evaluates, and a mark.

    A `wasted` round is planned, but not needed for the output and therefore not run.
    """

    step: int
    mark: str
    wasted: bool

    @property
    def style(self) -> str:
        """The style of the cell; wasted work is dim, whatever its mark."""
        return "dim" if self.wasted else _STYLES[self.mark]


def plan_chart(plan: Plan, index: int, width: int) -> RenderableType:
    """Draws `plan` until output `index`, at most `width` columns wide.

    Every cell shows its grid step if all of them fit, else only its mark; rounds that still do not
    fit continue below.
    """
    rows = [_cells(plan, core, index) for core in range(plan.cores)]
    rounds = plan.rounds(index)
    digits = len(str(max(plan.steps - 1, rounds)))
    room = width - _LABEL
    wide = next((size for size in (digits + 3, digits + 2, digits + 1) if rounds * size <= room), 0)
    size = wide or 1
    per_block = max(1, room // size)
    blocks = []
    for first in range(0, rounds, per_block):
        shown = range(first, min(first + per_block, rounds))
        blocks.append(_axis(shown, size))
        blocks += [_core_line(core, cells, shown, size) for core, cells in enumerate(rows)]
        blocks.append(Text())
    return Group(
        Text(headline(plan), style="bold"), Text(), *blocks, _legend(rows, width, compact=not wide)
    )


def _cells(plan: Plan, core: int, index: int) -> list[Cell]:
    """Returns what `core` does in every round until output `index`."""
    needed = plan.until(index).evaluations[core]
    rectified = plan.incoming(core)
    outputs = {
        hit.round - 1: OUTPUT if hit.index else PREVIEW for hit in plan.hits if hit.core == core
    }
    cells = []
    for round, step in enumerate(plan.walks[core][: plan.rounds(index)]):
        mark = SAME if round < plan.repeated[core] else EVALUATED
        mark = outputs.get(round) or (RECTIFIED if round in rectified else mark)
        cells.append(Cell(step, mark, wasted=round >= needed))
    return cells


def _axis(shown: range, size: int) -> Text:
    """Writes round numbers from 1 over every cell, or over every tenth if cells are narrow."""
    line = Text("round".ljust(_LABEL), style="dim")
    if size > 1:
        return line.append("".join(f"{round + 1:>{size - 1}} " for round in shown))
    ticks = ""
    for round in shown:
        if round == shown[0] or (round + 1) % 10 == 0:
            label = str(round + 1)
            place = round - shown[0] - (len(label) - 1 if round != shown[0] else 0)
            if place >= len(ticks) and (place > len(ticks) or not ticks):
                ticks = ticks.ljust(place) + label
    return line.append(ticks)


def _core_line(core: int, cells: list[Cell], shown: range, size: int) -> Text:
    line = Text(f"core {core}".ljust(_LABEL))
    for cell in cells[shown.start : shown.stop]:
        if size == 1:
            line.append(cell.mark, style=cell.style)
        else:
            mark = " " if cell.mark in (EVALUATED, SAME) else cell.mark
            line.append(f"{cell.step:>{size - 1}}{mark}", style=cell.style)
    return line


def _legend(rows: list[list[Cell]], width: int, *, compact: bool) -> Text:
    """Explains the marks in the chart, as many per line as fit."""
    cells = [cell for row in rows for cell in row]
    marks = {cell.mark for cell in cells}
    names = {
        EVALUATED: "evaluation" if compact else "",
        SAME: "same as the core above" if compact else "",
        RECTIFIED: "corrected by the core above",
        PREVIEW: "preview",
        OUTPUT: "output",
    }
    items = [Text.assemble((m, _STYLES[m]), f" {n}") for m, n in names.items() if n and m in marks]
    if any(cell.wasted for cell in cells):
        items.append(Text("dim: not needed, not run", style="dim"))
    legend, column = Text(), 0
    for item in items:
        gap = "   " if column else ""
        if column and column + len(gap) + len(item) > width:
            gap, column = "\n", 0
        legend.append(gap).append_text(item)
        column += len(gap) + len(item)
    return legend


def plan_summary(plan: Plan, index: int, *, latest: bool = False) -> Text:
    """Returns rounds, speed-up, cost and messages until output `index`, one line for each.

    Args:
        plan: The complete plan, not cut to the output.
        index: The index of the output.
        latest: Whether a residual may choose an earlier output.
    """
    sent = len(plan.until(index).messages)
    most, least = ("at most ", "at least ") if latest else ("", "")
    to = f"to output {index}" + (" at the latest" if latest else "")
    facts = (
        ("rounds", f"{most}{plan.rounds(index)} instead of {plan.steps} ({to})"),
        ("speed-up", f"{least}{plan.speedup(index):.2f}x, if every core has a device of its own"),
        ("NFE", f"{most}{_count_evaluations(plan, index)}"),
        ("messages", f"{most}{plural(sent, 'latent')} sent between neighbours"),
        *_pace(plan),
    )
    return Text("\n").join(Text.assemble((f"{name:<10}", "cyan"), fact) for name, fact in facts)


def plan_note(plan: Plan, asked: int) -> Text:
    """Returns what to know before the plan of `asked` cores runs; empty if that is nothing."""
    notes = filter(None, (free_cores(plan, asked), caution(plan)))
    lines = (textwrap.wrap(note, _NOTE, initial_indent="note: ") for note in notes)
    return Text("\n".join(line for wrapped in lines for line in wrapped), style="yellow")


def _pace(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yields what the rule for rounds says, and how far from the sequential result that leads."""
    if plan.planned_rounds is None or plan.guidance is None:
        return
    usual = default_rounds(plan.steps, plan.cores, plan.guidance)
    cores, steps = plural(plan.cores, "core"), plural(plan.steps, "step")
    yield "usual", f"{plural(usual, 'round')} for {steps}, {cores}, guidance {plan.guidance:g}"
    if plan.guidance == 1:
        yield "", "(one model call a step)"
    if plan.planned_rounds == plan.steps:
        yield "error", "none: every core visits every step"
    elif (expected := expected_error(plan)) is None:
        yield "error", "not measured for this plan"
    else:
        yield "error", f"median {expected.median:g}, nine in ten within {expected.most:g}"
        yield "", f"(latent RMSE to the {plan.steps}-step result, measured on"
        yield "", "the built-in models, not on others)"


def _count_evaluations(plan: Plan, index: int) -> str:
    """Counts the plan's model evaluations, and those that are run if their number differs."""
    total, wasted, ran = plan.nfe_total(index), plan.nfe_wasted(index), plan.nfe_run(index)
    repeated = ran - (total - wasted)
    reasons = [f"{wasted} not needed"] if wasted else []
    reasons += [f"{repeated} repeated"] if repeated else []
    if not reasons:
        return plural(total, "model evaluation")
    return f"{total} distinct; {ran} run: {', '.join(reasons)}"
