"""The study for people: tables, and error against rounds as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.study.measures import CHANGED, Row
from benchmarks.study.previews import Preview

_COLOURS = {
    "Euler": "0.6",
    "UniPC": "0.4",
    "DPM++ 2M": "0.2",
    "chords": "tab:orange",
    "wavefront": "tab:blue",
    "ParaDiGMS": "tab:green",
    "SRDS": "tab:red",
}
_MARKERS = {1: "o", 2: "v", 4: "s", 8: "D"}
_WIDTHS = (14, 15, 7, 6)
_COLUMNS = (
    *("median", "90 %", "worst"),
    *("PSNR", "10 %", "worst"),
    *("SSIM", "worst", "changed"),
)


def table(rows: Sequence[Row]) -> str:
    """One line an arm, a block a guidance; within an algorithm by cores and rounds."""
    blocks = []
    for model, guidance in dict.fromkeys((row.model, row.guidance) for row in rows):
        block = _sorted([row for row in rows if (row.model, row.guidance) == (model, guidance)])
        blocks.append(
            _block(f"{model}, guidance {guidance:g}, {len(block[0].rmse)} prompts", block)
        )
    return "\n".join(blocks) + f"\nLatent RMSE, PSNR in dB; {CHANGED}.\n"


def preview_table(previews: Sequence[Preview]) -> str:
    """Latent RMSE to the final sample (median) of every candidate, by round."""
    lines = []
    for guidance, cores, planned in dict.fromkeys(
        (one.guidance, one.cores, one.planned) for one in previews
    ):
        some = [
            one
            for one in previews
            if (one.guidance, one.cores, one.planned) == (guidance, cores, planned)
        ]
        steps = {one.round: one.step for one in some}
        lines.append(f"previews, guidance {guidance:g}, K={cores} in {planned} rounds, median RMSE")
        heads = [f"{round} (step {step})" for round, step in steps.items()]
        lines.append(f"{'after round':<22}" + "".join(f"{h:>13}" for h in heads) + f"{'PSNR 3':>9}")
        for name in dict.fromkeys(one.candidate for one in some):
            mine = {one.round: one for one in some if one.candidate == name}
            cells = [f"{np.median(mine[round].rmse):13.4f}" for round in steps]
            psnr = f"{np.median(mine[3].psnr):9.1f}" if 3 in mine else ""
            lines.append(f"{name:<22}" + "".join(cells) + psnr)
        lines.append("")
    return "\n".join(lines)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Error against rounds, a column a guidance: median (lines), 90 % (faint), changed below."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = list(dict.fromkeys((row.model, row.guidance) for row in rows))
    figure, axes = plt.subplots(
        2,
        len(columns),
        figsize=(5.5 * len(columns), 8),
        sharex=True,
        sharey="row",
        squeeze=False,
        gridspec_kw={"height_ratios": (3, 1)},
    )
    for (model, guidance), (upper, lower) in zip(columns, axes.T, strict=True):
        mine = [row for row in rows if (row.model, row.guidance) == (model, guidance)]
        for arm, cores in dict.fromkeys((row.arm, row.cores) for row in mine):
            if arm == "sequential":
                continue
            _curve(upper, lower, [r for r in mine if (r.arm, r.cores) == (arm, cores)])
        upper.set(title=f"{model}, guidance {guidance:g}", yscale="log")
        upper.grid(visible=True, which="both", alpha=0.2)
        lower.set(xlabel="rounds", ylim=(-0.02, 1.02))
        lower.grid(visible=True, alpha=0.2)
    axes[0][0].set_ylabel("latent RMSE to the sequential sample")
    axes[1][0].set_ylabel("share changed visibly")
    named = {
        label: handle
        for axis in axes[0]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    axes[0][-1].legend(named.values(), named, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _curve(upper: "object", lower: "object", rows: list[Row]) -> None:
    points = sorted((row.summary() for row in rows), key=lambda summary: summary["rounds"])
    rounds = [point["rounds"] for point in points]
    style = {
        "color": _COLOURS.get(rows[0].arm, "black"),
        "marker": _MARKERS.get(rows[0].cores, "x"),
        "markersize": 4,
    }
    upper.plot(rounds, [p["rmse"]["median"] for p in points], label=rows[0].name, **style)
    faint = style | {"alpha": 0.25, "linestyle": ":"}
    upper.plot(rounds, [p["rmse"]["tail"] for p in points], **faint)
    lower.plot(rounds, [p["changed"] for p in points], **style)


def _block(title: str, rows: list[Row]) -> str:
    heads = ("arm", "setting", "rounds", "NFE")
    lines = [title, _cells(heads) + "".join(f"{column:>9}" for column in _COLUMNS)]
    for row in rows:
        one = row.summary()
        cells = [f"{one['rmse'][key]:.4f}" for key in ("median", "tail", "worst")]
        cells += [f"{one['psnr'][key]:.1f}" for key in ("median", "tail", "worst")]
        cells += [f"{one['ssim'][key]:.3f}" for key in ("median", "worst")]
        cells.append(f"{one['changed']:.0%}")
        named = (row.name, row.setting, f"{one['rounds']:.4g}", f"{one['nfe']:.4g}")
        lines.append(_cells(named) + "".join(f"{cell:>9}" for cell in cells))
    return "\n".join(lines) + "\n"


def _sorted(rows: list[Row]) -> list[Row]:
    """By arm, as they come, then by cores and rounds."""
    arms = list(dict.fromkeys(row.arm for row in rows))
    return sorted(
        rows, key=lambda row: (arms.index(row.arm), row.cores, row.summary()["rounds"], row.setting)
    )


def _cells(values: Sequence[str]) -> str:
    texts = [f"{value:<{width}}" for value, width in zip(values[:2], _WIDTHS[:2], strict=True)]
    numbers = [f"{value:>{width}}" for value, width in zip(values[2:], _WIDTHS[2:], strict=True)]
    return "".join(texts + numbers)
