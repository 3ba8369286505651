"""Calculates the numbers of a comparison: distance to the reference, speed and cost."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chords_cli.media.metrics import psnr, relative_rmse, rmse, ssim
from chords_cli.records.compare import (
    Measure,
    PeakMemory,
    Quality,
    QualitySummary,
    Speedup,
    Spread,
    Spreads,
)
from chords_cli.runs.compare.measure import Measured

if TYPE_CHECKING:
    import numpy as np

    from chords_cli.engine.messages import Latent

_HIGHER_IS_CLOSER = {
    "latent_rmse": False,
    "latent_rmse_relative": False,
    "psnr": True,
    "ssim": True,
    "clip_score": True,
}
"""The measures of a result, each with whether a larger value is better."""

_DIGITS = 4


def distances(
    latent: "Latent",
    frames: "np.ndarray",
    reference_latent: "Latent",
    reference_frames: "np.ndarray",
) -> Quality:
    """Measures how far a result is from the reference's, in latent and decoded picture."""
    from chords_cli.engine.latents import as_array

    same_shape = latent.shape == reference_latent.shape
    arrays = as_array(latent), as_array(reference_latent)
    return Quality(
        latent_rmse=rmse(*arrays) if same_shape else None,
        latent_rmse_relative=relative_rmse(*arrays) if same_shape else None,
        psnr=psnr(frames, reference_frames),
        ssim=ssim(frames, reference_frames),
        same_latent=latent == reference_latent,
        same_pixels=bool((frames == reference_frames).all()),
    )


def over_samples(qualities: Sequence[Quality]) -> QualitySummary:
    """Returns the mean and the worst value of every measure over the samples.

    PSNR counts only samples whose pixels differ: it is infinite for the others.
    """
    measures = {}
    for name, higher in _HIGHER_IS_CLOSER.items():
        if any(name in quality.model_fields_set for quality in qualities):
            values = [value for q in qualities if (value := getattr(q, name)) is not None]
            worst = (min if higher else max)(values, default=None)
            mean = statistics.fmean(values) if values else None
            measures[name] = Measure(mean=mean, worst=worst)
    return QualitySummary(
        **measures,
        same_latent=all(quality.same_latent for quality in qualities),
        same_pixels=all(quality.same_pixels for quality in qualities),
    )


def spreads(runs: Sequence[Measured]) -> Spreads:
    """Returns the median, minimum and maximum of every phase of the runs."""
    return Spreads(
        encode=_spread([run.seconds.encode for run in runs]),
        sample=_spread([run.seconds.sample for run in runs]),
        decode=_spread([run.seconds.decode for run in runs]),
        total=_spread([run.seconds.total for run in runs]),
    )


def speedup(arm: Spreads, reference: Spreads, in_a_row: tuple[float, float] | None) -> Speedup:
    """Returns how many times sooner than the reference an arm is.

    Args:
        arm: The arm's seconds.
        reference: The reference's seconds.
        in_a_row: The arm's evaluations and the reference's; None if one of each costs otherwise.
    """
    measured = _divide(reference.sample.median, arm.sample.median)
    ideal = in_a_row and _divide(in_a_row[1], in_a_row[0])
    return Speedup(
        measured=measured,
        ideal=ideal,
        ratio=round(measured / ideal, _DIGITS) if measured and ideal else None,
        total=_divide(reference.total.median, arm.total.median),
    )


def peaks(runs: Sequence[Measured], devices: Sequence[str], members: int) -> tuple[PeakMemory, ...]:
    """Returns per process the most memory that any run took."""
    records = []
    for rank, device in enumerate(devices):
        core, member = divmod(rank, members)
        memory = [run.peak_memory[rank] for run in runs]
        records.append(
            PeakMemory(
                core=core,
                **({"member": member} if members > 1 else {}),
                device=device,
                device_bytes=max((peak for peak, _ in memory if peak is not None), default=None),
                host_bytes=max(host for _, host in memory),
            )
        )
    return tuple(records)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        median=round(statistics.median(values), _DIGITS),
        min=round(min(values), _DIGITS),
        max=round(max(values), _DIGITS),
    )


def _divide(dividend: float, divisor: float) -> float | None:
    return round(dividend / divisor, _DIGITS) if divisor > 0 else None
