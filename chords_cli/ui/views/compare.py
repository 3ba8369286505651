"""Shows a comparison in the terminal, from its record."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chords_cli.records.compare import (
    ArmRecord,
    CompareDryRun,
    CompareRecord,
    Measure,
    PlannedArmRecord,
)
from chords_cli.ui.format import duration, places
from chords_cli.ui.views.tables import table

_PLANNED = ("arm", "cores", "on", "steps", "rounds", "NFE", "speed-up")
_MEASURED = (
    *("arm", "in a\nrow", "devices", "sample", "speed-up", "ideal"),
    *("RMSE", "PSNR", "SSIM"),
)


def results_table(record: CompareRecord) -> Table:
    """Draws a row per arm: what it took, and how far it is from the reference."""
    scored = record.arms[0].quality.clip_score is not None
    columns = [*_MEASURED, *(["CLIP"] if scored else [])]
    rows = [tuple(_measured_cells(arm, record)) for arm in record.arms]
    return table(columns, rows, right=columns[1:])


def explanations(record: CompareRecord) -> RenderableType:
    """Explains how to read the table."""
    samples = len(record.samples)
    several = f"means over {samples} results with the worst below, " if samples > 1 else ""
    spread = f"medians of {record.repeat} runs, " if record.repeat > 1 else ""
    crowded = [arm for arm in record.arms if arm.shares_devices]
    shared = f"{_devices(crowded[0])}: cores share devices; " if crowded else ""
    first = (
        f"{several}{spread}compared with {record.reference}; in a row: evaluations of the model, "
        f"one after the other; {shared}speed-up is of sampling, ideal from those in a row; RMSE is "
        "of latents"
    )
    return Group(*(Text(line, style="dim") for line in (first, *record.notes)))


def arms_table(record: CompareDryRun) -> Table:
    """Draws a row per arm before anything runs."""
    (reference,) = (arm for arm in record.arms if arm.name == record.reference)
    rows = [tuple(_planned_cells(arm, reference)) for arm in record.arms]
    return table(_PLANNED, rows, right=("cores", "steps", "rounds", "NFE", "speed-up"))


def _measured_cells(arm: ArmRecord, record: CompareRecord) -> Iterator[str | Text]:
    quality, several = arm.quality, len(record.samples) > 1
    yield Text(arm.name, style="bold" if arm.name == record.reference else "")
    yield f"{arm.evaluations:g}"
    yield _devices(arm)
    yield duration(arm.seconds.sample.median)
    yield from (_number(value, 2, "x") for value in (arm.speedup.measured, arm.speedup.ideal))
    yield _mean_and_worst(quality.latent_rmse, 4, several=several)
    yield "equal" if quality.same_pixels else _mean_and_worst(quality.psnr, 1, several=several)
    yield _mean_and_worst(quality.ssim, 4, several=several)
    if quality.clip_score is not None:
        yield _mean_and_worst(quality.clip_score, 2, several=several)


def _planned_cells(arm: PlannedArmRecord, reference: PlannedArmRecord) -> Iterator[str | Text]:
    most = "" if arm.stop.criterion == "core_index" else "at most "
    yield arm.name
    yield str(arm.cores)
    yield places(arm.devices)
    yield str(arm.plan.steps)
    yield f"{most}{arm.plan.rounds}"
    yield f"{most}{arm.plan.nfe_total}"
    yield f"{reference.plan.rounds / arm.plan.rounds:.2f}x"


def _devices(arm: ArmRecord) -> str:
    """Returns how many devices an arm takes, with its cores if these share them."""
    devices = len(set(arm.devices))
    return f"{arm.cores} on {devices}" if arm.shares_devices else str(devices)


def _mean_and_worst(measure: Measure, digits: int, *, several: bool) -> Text:
    mean = _number(measure.mean, digits)
    if not several:
        return Text(mean)
    return Text.assemble(mean, "\n", (_number(measure.worst, digits), "dim"))


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"
