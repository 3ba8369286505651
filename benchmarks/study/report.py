"""The study for people: tables as text and as Markdown, and error against rounds as a picture."""

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.study.arms import FEW_STEPS, LONE, PEERS
from benchmarks.study.cells import Store
from benchmarks.study.lines import Line, lost, short
from benchmarks.study.measures import Spread, held, spread

HEADS = (
    *("T", "K", "rounds", "prompts", "median, 90 %, worst", "one core", "to it", "closer"),
    *FEW_STEPS,
    "chords",
)

EXPLAINED = """\
Latent RMSE to the T-step sequential result. "one core": the wavefront on one device with as many
evaluations, median and 90 %; "to it": the paired geometric ratio, and on how many of the prompts
the K cores are closer. Euler, DPM++ 2M, UniPC: the median of as many steps on one device. chords:
the paper's algorithm on as many cores at its default starts, the median and its rounds. *: not the
default rounds."""

SUMMARY = """\
Default rounds: median and 90 % of latent RMSE to the T-step sequential result; in brackets against
the wavefront on one device with as many evaluations: the paired geometric ratio, and on how many of
the prompts the K cores are closer."""

BEATEN = (
    "Beaten in the median or at 90 %, at the default rounds, by one device with as many "
    "evaluations or by fewer cores in as many rounds"
)

ESTIMATED = (
    "How often a result was within the estimate that its run gave, of how many runs of all T, and "
    "its median distance as a part of the estimate:"
)

_COLOURS = {1: "black", 2: "tab:green", 3: "gold", 4: "tab:blue", 8: "tab:red"}
_GREYS = {"one core": ("0.35", "-"), "Euler": ("0.5", "--"), "DPM++ 2M": ("0.6", "-.")}
_GREYS |= {"UniPC": ("0.7", ":")}


def table(found: Sequence[Line]) -> str:
    """One line for K cores in R rounds, a block for a model and a guidance."""
    blocks = []
    for title, block in _blocks(found):
        rows = [HEADS, *map(_cells, block)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(HEADS))]
        texts = [map(str.rjust, row, widths) for row in rows]
        blocks.append("\n".join([title, *("  ".join(text).rstrip() for text in texts)]))
    return "\n\n".join([*blocks, _filled(EXPLAINED)]) + "\n\n" + _lost(found)


def markdown(found: Sequence[Line]) -> str:
    """To be pasted into `benchmarks/RESULTS.md`: a summary, and all of what most people run."""
    parts = [_filled(SUMMARY), "", *_summary([line for line in found if line.default])]
    usual = [line for line in found if line.cell.usual]
    parts += ["", _filled(EXPLAINED), ""] if usual else [""]
    for title, block in _blocks(usual):
        parts += [f"**{title}**", "", *_grid(HEADS, map(_cells, block)), ""]
    return "\n".join(parts) + "\n" + _lost(found)


def estimates(stores: Iterable[Store]) -> str:
    """How often what a run says of its error held, at all rounds that are known, as Markdown."""
    runs: dict[tuple[str, float], dict[int, list[tuple[float, float]]]] = {}
    for store in stores:
        for arm, row in store.rows.items():
            pairs = zip(row.rmse, row.more.get("within", []), strict=False)
            known = [(a, b) for a, b in pairs if a is not None and b is not None]
            if known:
                place = runs.setdefault((store.cell.model, store.cell.guidance), {})
                place.setdefault(arm.cores, []).extend(known)
    if not runs:
        return ""
    cores = sorted({k for place in runs.values() for k in place})
    rows = [
        (model, f"{guidance:g}", *(_held(place.get(k, [])) for k in cores))
        for (model, guidance), place in sorted(runs.items())
    ]
    heads = ("model", "guidance", *(f"K={k}" for k in cores))
    return "\n".join([ESTIMATED, "", *_grid(heads, rows)]) + "\n"


def extras(stores: Iterable[Store]) -> str:
    """One core's other meshes and fills, and the peers, where a cell has them."""
    told = []
    for store in stores:
        for arm, row in sorted(store.rows.items()):
            one, took = spread(row.rmse), spread(row.more.get("rounds", []))
            if arm.name in (*LONE, *PEERS) and one:
                rounds = f"{took.median:g}" if took else str(arm.rounds)
                told.append(
                    f"{store.cell.name:<18} {arm.name:<24} K={arm.cores} {rounds:>4} rounds  "
                    f"{_three(one)}  {one.prompts} prompts"
                )
    return "\n".join(told) + "\n" if told else ""


def plot(stores: Sequence[Store], found: Sequence[Line], path: Path) -> None:
    """Median error against rounds: a row for a model and T, a column for a guidance."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = sorted({(store.cell.model, store.cell.steps) for store in stores})
    columns = sorted({store.cell.guidance for store in stores})
    size = (4 * len(columns), 2.7 * len(rows) + 0.5)
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, sharey=True, squeeze=False)
    for store in stores:
        cell = store.cell
        axis = axes[rows.index((cell.model, cell.steps))][columns.index(cell.guidance)]
        _alone(axis, store)
        _cores(axis, [line for line in found if line.cell == cell and line.made.median > 0])
        axis.set_title(f"{cell.model}, {cell.steps} steps, guidance {cell.guidance:g}", fontsize=9)
        axis.set(yscale="log")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(visible=True, alpha=0.2)
    figure.supxlabel("rounds: model evaluations one after another", fontsize=9, y=0.5 / size[1])
    figure.supylabel("median latent RMSE to the T-step sequential result", fontsize=9)
    handles = [axis.get_legend_handles_labels() for axis in axes.flat]
    named = {label: one for pair in handles for one, label in zip(*pair, strict=True)}
    figure.tight_layout(rect=(0, 0.5 / size[1], 1, 1))
    figure.legend(named.values(), named, ncols=3 * len(columns), fontsize=8, loc="lower center")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _alone(axis: Any, store: Store) -> None:
    """One device, in grey."""
    for name, (colour, style) in _GREYS.items():
        rows = sorted((arm.rounds, row) for arm, row in store.rows.items() if arm.name == name)
        points = [(rounds, one.median) for rounds, row in rows if (one := spread(row.rmse))]
        rounds, medians = zip(*points, strict=True) if points else ((), ())
        axis.plot(rounds, medians, color=colour, linestyle=style, marker=".", label=name)


def _cores(axis: Any, found: Sequence[Line]) -> None:
    """K cores by colour: a dot at the default rounds, the 90 % above it."""
    for k, several in groupby((line for line in found if line.cores > 1), lambda x: x.cores):
        points = list(several)
        rounds, colour = [line.rounds for line in points], _COLOURS.get(k, "tab:purple")
        axis.plot(rounds, [x.made.median for x in points], color=colour, linewidth=1)
        axis.scatter(
            rounds,
            [line.made.median for line in points],
            s=[36 if line.default else 10 for line in points],
            color=colour,
            label=f"K={k}",
            zorder=3,
        )
        tails = [line.made.tail for line in points]
        axis.scatter(rounds, tails, marker="_", color=colour, alpha=0.6)


def _blocks(found: Sequence[Line]) -> Iterable[tuple[str, list[Line]]]:
    for (model, guidance), block in groupby(found, lambda x: (x.cell.model, x.cell.guidance)):
        yield f"{model}, guidance {guidance:g}", list(block)


def _cells(line: Line) -> tuple[str, ...]:
    lone, compared = line.alone.get("one core"), line.against
    steps = [line.alone.get(name) for name in FEW_STEPS]
    return (
        str(line.cell.steps),
        str(line.cores),
        f"{line.rounds}{'' if line.default else '*'}",
        str(line.made.prompts),
        _three(line.made),
        f"{short(lone.median)} {short(lone.tail)}" if lone else "",
        f"{compared.ratio:.2f}" if compared else "",
        f"{compared.closer:.0%}" if compared else "",
        *(short(one.median) if one else "" for one in steps),
        f"{short(line.chords[1].median)} in {line.chords[0]}" if line.chords else "",
    )


def _summary(found: Sequence[Line]) -> list[str]:
    """A line a cell, a column a number of cores."""
    cores = sorted({line.cores for line in found})
    rows = []
    for cell, several in groupby(found, lambda line: line.cell):
        by_cores = {line.cores: _brief(line) for line in several}
        place = (cell.model, f"{cell.guidance:g}", str(cell.steps))
        rows.append((*place, *(by_cores.get(k, "") for k in cores)))
    return _grid(("model", "guidance", "T", *(f"K={k}" for k in cores)), rows)


def _brief(line: Line) -> str:
    told = f"{line.rounds}: {short(line.made.median)} {short(line.made.tail)}"
    if not line.against:
        return told
    return f"{told} ({line.against.ratio:.2f}, {line.against.closer:.0%})"


def _held(pairs: Sequence[tuple[float, float]]) -> str:
    one = held(pairs)
    return f"{one.share:.0%} of {one.prompts}, {one.part:.2f}" if one else ""


def _lost(found: Sequence[Line]) -> str:
    told = "\n".join(f"- {one}" for one in lost(found)) or "- nothing"
    return f"{BEATEN}:\n\n{told}\n"


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Markdown's table."""
    return [f"| {' | '.join(row)} |" for row in (heads, ["--:"] * len(heads), *rows)]


def _filled(text: str) -> str:
    return textwrap.fill(text, 150, break_on_hyphens=False)


def _three(one: Spread) -> str:
    return f"{short(one.median)} {short(one.tail)} {short(one.worst)}"
