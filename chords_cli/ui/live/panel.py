"""Draws a run while it goes on: a header, a row per core, the outputs, the prompt and the time.

It draws what `Progress` knows, and reads no events.
"""

import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chords_cli.events import OutputLanded, PromptStarted
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule
from chords_cli.ui.format import (
    clock,
    duration,
    headline,
    output_name,
    places,
    promise,
    residual,
    size,
    small,
)
from chords_cli.ui.live.progress import CoreProgress, Progress, State

WIDEST = 110
_NARROW = 76
_FEWEST_OUTPUTS = 3
"""If fewer outputs than this would fit, the gaps are left out."""

_FRAME = 4
"""The width of the frame and the spaces inside it."""

_ROWS_BESIDE = 10
"""Rows besides cores and outputs: frame 2, header 2, column names, gaps 3, prompt and cursor."""

_BARS = "▁▂▃▄▅▆▇█"
_STATE_STYLES: dict[State, str] = {
    "starting": "dim",
    "loading": "cyan",
    "ready": "green",
    "encoding": "magenta",
    "compiling": "cyan",
    "waiting": "dim",
    "sampling": "",
    "decoding": "magenta",
    "done": "green",
}


def draw(progress: Progress, width: int, height: int, seconds: float) -> RenderableType:
    """Draws the panel of a run that has gone on for so many `seconds`.

    Args:
        progress: What is known of the run.
        width: Columns of the terminal; the panel is that wide or less.
        height: Rows of the terminal; if they are few, gaps and older outputs are left out.
        seconds: Since the panel began, while the program still read torch and diffusers.
    """
    width = min(width, WIDEST)
    making = [*progress.making.values()] or ([progress.prompt] if progress.prompt else [])
    room = height - len(progress.cores) - _ROWS_BESIDE - bool(progress.warnings)
    if not progress.in_groups:
        room -= max(0, len(making) - 1)
    tight = room < _FEWEST_OUTPUTS
    words = _explanations(progress, width) if progress.prompt else []
    if room - len(words) < _FEWEST_OUTPUTS:
        words = []
    room -= len(words)
    gap: list[RenderableType] = [] if tight else [Text()]
    shown = progress.outputs[-1:] if tight else progress.outputs[-room:]
    parts: list[RenderableType] = [*_header(progress)]
    if progress.cores:
        parts += [*gap, _cores_table(progress, width)]
    parts += [Text(line, style="dim") for line in words]
    if shown and not progress.in_groups:
        parts += [*gap, _outputs_table(shown, progress.stop, width)]
    if progress.prompt:
        if not (tight and progress.in_groups):  # whose cores say which of them they make
            parts += [*gap, _prompt_lines(making[: max(1, room - progress.in_groups)])]
        if progress.in_groups:
            parts.append(Text(f"{progress.finished} of {progress.total} are done", style="dim"))
        if progress.warnings:  # in full below the panel, once it has ended
            line = f"warning: {progress.warnings[-1]}"
            parts.append(Text(line, style="yellow", overflow="ellipsis", no_wrap=True))
    elif reading := [core.part for core in progress.cores.values() if core.state == "loading"]:
        line = f"reading {', '.join(dict.fromkeys(reading))}"
        parts += [*gap, Text(line, style="dim", overflow="ellipsis", no_wrap=True)]
    title = progress.resolved.model if progress.resolved else "chords"
    return Panel(
        Group(*parts),
        box=box.ROUNDED,
        border_style="dim",
        title=Text(title, style="not dim bold"),
        title_align="left",
        subtitle=Text(clock(seconds), style="not dim"),
        subtitle_align="right",
        width=width,
    )


def sparkline(values: Sequence[float]) -> str:
    """Draws a bar per value, from zero to the largest, oldest first."""
    top = max(values, default=0.0)
    if not top > 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, max(0, round(value / top * 7)))] for value in values)


def _header(progress: Progress) -> list[RenderableType]:
    if progress.resolved is None:
        return [Text("starting", style="dim")]
    resolved = progress.resolved
    plan, where = resolved.plan, places(resolved.devices)
    goal = promise(plan, progress.resolved.stop)
    return [
        Text(
            f"{headline(plan, resolved.members, resolved.groups)} · {where}",
            overflow="ellipsis",
            no_wrap=True,
        ),
        Text(goal, style="cyan", overflow="ellipsis", no_wrap=True),
    ]


def _cores_table(progress: Progress, width: int) -> Table:
    """Draws a row per core; leaves out columns that are empty, equal in all rows or do not fit."""
    narrow = width < _NARROW
    one_device = len({core.device for core in progress.cores.values()}) < 2
    with_device = not (narrow and one_device)
    begun = progress.prompt is not None
    corrects = begun and (progress.plan is None or bool(progress.plan.messages))
    with_history = corrects and not (narrow and (with_device or progress.several))
    grid = Table(box=None, pad_edge=False, expand=True, padding=(0, 1 if narrow else 2, 0, 0))
    grid.header_style = "dim"
    grid.add_column("core", justify="right", no_wrap=True)
    if progress.several:
        grid.add_column("for", justify="right", no_wrap=True)
    if with_device:
        grid.add_column("device", no_wrap=True)
    grid.add_column("state", no_wrap=True, min_width=8)
    title = ("steps" if narrow else "own steps") if begun else "loaded"
    grid.add_column(title, ratio=1, no_wrap=True, min_width=len(title))
    grid.add_column("", justify="right", no_wrap=True)
    if begun:
        grid.add_column("grid", justify="right", no_wrap=True)
    if corrects:
        grid.add_column("corrected", justify="right", no_wrap=True, min_width=9)
    if with_history:
        grid.add_column("", no_wrap=True, min_width=8)
    for rank, core in sorted(progress.cores.items()):
        device = [f"{core.number or ''}"] if progress.several else []
        device += [core.device] if with_device else []
        history = [sparkline(core.corrections)] if with_history else []
        moved = [_last_correction(core)] if corrects else []
        cells = _core_cells(core, progress.plan)
        grid.add_row(str(rank), *device, *(cells if begun else cells[:-1]), *moved, *history)
    return grid


def _explanations(progress: Progress, width: int) -> list[str]:
    """Explains the columns of the cores, or what they wait for, in lines for such a width."""
    if progress.compiling:
        words = "torch compiles the model; sampling begins when it has done so for all cores"
        return textwrap.wrap(words, width - _FRAME)
    plan = progress.plan
    title = "steps" if width < _NARROW else "own steps"
    words = f"{title}: how many this core computes; grid: which step it has reached"
    if plan is not None and plan.messages:
        words += "; corrected: how far the latent of the core above last moved its own"
    return textwrap.wrap(words, width - _FRAME)


def _core_cells(core: CoreProgress, plan: Plan | None) -> list[RenderableType]:
    """Returns a core's state, bar, own steps and grid step."""
    loading = core.state in ("starting", "loading", "ready")
    done, total = (core.loaded, core.to_load) if loading else (core.done, core.evaluations)
    if core.state == "ready":
        done = total = 1
    bar = ProgressBar(
        total=max(total, 1),
        completed=done,
        complete_style="cyan",
        finished_style="green",
        style="dim",
    )
    if loading:
        steps = f"{size(done)}/{size(total)}" if core.state == "loading" and total else ""
        stands = ""
    else:
        steps = _of(done, total)
        stands = _of(core.stop, core.steps or plan.steps) if plan else f"{core.stop}"
    return [
        Text(core.state, style=_STATE_STYLES[core.state]),
        bar,
        Text(steps),
        Text(stands, style="dim"),
    ]


def _of(done: int, total: int) -> str:
    """Returns `9/21` as wide as `21/21`, so that nothing beside it moves."""
    return f"{done:>{len(str(total))}}/{total}"


def _last_correction(core: CoreProgress) -> Text:
    return Text(small(core.corrections[-1]) if core.corrections else "", style="magenta")


def _outputs_table(landed: Sequence[OutputLanded], stop: StopRule, width: int) -> Table:
    """Draws a row per output that has landed, newest last; cut numbers would mislead."""
    narrow = width < _NARROW
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=len("● output 1"), no_wrap=True)
    for output in landed:
        mark = Text("○", style="cyan") if output.index == 0 else Text("●", style="bold green")
        far = residual(output.index, output.residual, stop)
        chosen = output.index == stop.fixed
        if narrow or chosen:
            far = far.partition(" from ")[0]
        if chosen:
            far = f"the result, {far}" if far and not narrow else "the result"
        grid.add_row(
            Text.assemble(mark, f" {output_name(output.index)}"),
            *([] if narrow else [f"core {output.core}"]),
            f"round {output.round}",
            duration(output.seconds),
            Text(far, style="dim", no_wrap=True, overflow="ellipsis"),
        )
    return grid


def _prompt_lines(prompts: Sequence[PromptStarted]) -> Table:
    """Draws which prompts are made, of how many; cut to the width."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True, style="dim")
    for prompt in prompts:
        grid.add_row(
            Text(f"{prompt.number}/{prompt.total}", style="bold"),
            Text(prompt.prompt),
            f"seed {prompt.seed}",
        )
    return grid
