"""Numbers of a comparison: how far from the reference, how fast, at which cost."""

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
"""The measures of a result, and whether a larger value is the better one."""

_DIGITS = 4


def distances(
    latent: "Latent", frames: "np.ndarray", other: "Latent", others: "np.ndarray"
) -> Quality:
    """Measures how far a result is from the reference's, latent and decoded picture."""
    from chords_cli.engine.latents import as_array

    alike = latent.shape == other.shape
    own, theirs = as_array(latent), as_array(other)
    return Quality(
        latent_rmse=rmse(own, theirs) if alike else None,
        latent_rmse_relative=relative_rmse(own, theirs) if alike else None,
        psnr=psnr(frames, others),
        ssim=ssim(frames, others),
        same_latent=latent == other,
        same_pixels=bool((frames == others).all()),
    )


def over_samples(qualities: Sequence[Quality]) -> QualitySummary:
    """Returns mean and worst case of every measure over the samples.

    The mean of PSNR is over the samples whose pixels differ at all.
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
    """Returns median, least and most of every part of the runs' seconds."""
    return Spreads(
        encode=_spread([run.seconds.encode for run in runs]),
        sample=_spread([run.seconds.sample for run in runs]),
        decode=_spread([run.seconds.decode for run in runs]),
        total=_spread([run.seconds.total for run in runs]),
    )


def speedup(own: Spreads, reference: Spreads, rounds: tuple[float, float] | None) -> Speedup:
    """Returns how much sooner than the reference an arm is.

    Args:
        own: The arm's seconds.
        reference: The reference's.
        rounds: The arm's and the reference's; None where their rounds do not cost the same.
    """
    measured = _ratio(reference.sample.median, own.sample.median)
    ideal = rounds and _ratio(rounds[1], rounds[0])
    return Speedup(
        measured=measured,
        ideal=ideal,
        ratio=round(measured / ideal, _DIGITS) if measured and ideal else None,
        total=_ratio(reference.total.median, own.total.median),
    )


def peaks(runs: Sequence[Measured], devices: Sequence[str]) -> tuple[PeakMemory, ...]:
    """Returns per core the most memory that any run took."""
    found = []
    for core, device in enumerate(devices):
        own = [run.peak_memory[core] for run in runs]
        found.append(
            PeakMemory(
                core=core,
                device=device,
                device_bytes=max((peak for peak, _ in own if peak is not None), default=None),
                host_bytes=max(host for _, host in own),
            )
        )
    return tuple(found)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        median=round(statistics.median(values), _DIGITS),
        min=round(min(values), _DIGITS),
        max=round(max(values), _DIGITS),
    )


def _ratio(one: float, other: float) -> float | None:
    return round(one / other, _DIGITS) if other > 0 else None
