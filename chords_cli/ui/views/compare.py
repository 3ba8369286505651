"""A comparison in the terminal, from its record."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chords_cli.ui.format import duration, places
from chords_cli.ui.views.tables import table

Record = Mapping[str, Any]

_PLANNED = ("arm", "cores", "on", "steps", "rounds", "NFE", "speed-up")
_MEASURED = ("arm", "rounds", "NFE", "sample", "total", "speed-up", "ideal", "RMSE", "PSNR", "SSIM")

_DIGITS = {"latent_rmse": 4, "psnr": 1, "ssim": 4, "clip_score": 2}
"""The measures that are shown, by their digits."""


def results_table(record: Record) -> Table:
    """A line an arm: what it took, and how far it is from the reference."""
    columns = [*_MEASURED, *(["CLIP"] if "clip_score" in record["arms"][0]["quality"] else [])]
    rows = [tuple(_measured(arm, record)) for arm in record["arms"]]
    return table(columns, rows, right=columns[1:])


def explanations(record: Record) -> RenderableType:
    """How to read the table."""
    samples = len(record["takes"])
    several = f"means over {samples} results with the worst below, " if samples > 1 else ""
    spread = f"medians of {record['repeat']} runs, " if record["repeat"] > 1 else ""
    first = (
        f"{several}{spread}compared with {record['reference']}; speed-up is of sampling, "
        "ideal from rounds; RMSE is of latents"
    )
    return Group(*(Text(line, style="dim") for line in (first, *record["notes"])))


def arms_table(record: Record) -> Table:
    """A line an arm before anything runs."""
    (reference,) = (arm for arm in record["arms"] if arm["name"] == record["reference"])
    rows = [tuple(_planned(arm, reference)) for arm in record["arms"]]
    return table(_PLANNED, rows, right=("cores", "steps", "rounds", "NFE", "speed-up"))


def _measured(arm: Record, record: Record) -> Iterator[str | Text]:
    seconds, speedup, far = arm["seconds"], arm["speedup"], arm["quality"]
    yield Text(arm["name"], style="bold" if arm["name"] == record["reference"] else "")
    yield from (f"{arm[key]:.0f}" for key in ("rounds", "nfe_total"))
    yield from (duration(seconds[part]["median"]) for part in ("sample", "total"))
    yield from (_number(speedup[key], 2, "x") for key in ("measured", "ideal"))
    for name, digits in _DIGITS.items():
        if name == "psnr" and far["same_pixels"]:
            yield "equal"
        elif name in far:
            yield _mean_and_worst(far[name], digits, several=len(record["takes"]) > 1)


def _planned(arm: Record, reference: Record) -> Iterator[str | Text]:
    plan, fixed = arm["plan"], arm["stop"]["criterion"] == "core_index"
    most = "" if fixed else "at most "
    yield arm["name"]
    yield str(arm["cores"])
    yield places(arm["devices"])
    yield str(plan["steps"])
    yield f"{most}{plan['rounds']}"
    yield f"{most}{plan['nfe_total']}"
    yield f"{reference['plan']['rounds'] / plan['rounds']:.2f}x"


def _mean_and_worst(measure: Record, digits: int, *, several: bool) -> Text:
    mean = _number(measure["mean"], digits)
    if not several:
        return Text(mean)
    return Text.assemble(mean, "\n", (_number(measure["worst"], digits), "dim"))


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"
