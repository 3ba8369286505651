"""Numbers of a comparison: how far from the reference, how fast, at which cost."""

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chords_cli.media.metrics import psnr, relative_rmse, rmse, ssim
from chords_cli.runs.compare.measure import PARTS, Measured

if TYPE_CHECKING:
    import numpy as np

    from chords_cli.engine.messages import Latent

HIGHER_IS_CLOSER = {
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
) -> dict[str, Any]:
    """How far a result is from the reference's, latent and decoded picture.

    None for what cannot be said: latents of another shape, and the PSNR of equal pixels.
    """
    from chords_cli.engine.latents import as_array

    alike = latent.shape == other.shape
    own, theirs = as_array(latent), as_array(other)
    return {
        "latent_rmse": rmse(own, theirs) if alike else None,
        "latent_rmse_relative": relative_rmse(own, theirs) if alike else None,
        "psnr": psnr(frames, others),
        "ssim": ssim(frames, others),
        "same_latent": latent == other,
        "same_pixels": bool((frames == others).all()),
    }


def over_samples(qualities: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and worst case of every measure over the samples.

    The mean of PSNR is over the samples whose pixels differ at all.
    """
    summary: dict[str, Any] = {}
    for name, higher in HIGHER_IS_CLOSER.items():
        values = [q[name] for q in qualities if q.get(name) is not None]
        if any(name in q for q in qualities):
            worst = (min if higher else max)(values, default=None)
            summary[name] = {"mean": statistics.fmean(values) if values else None, "worst": worst}
    for name in ("same_latent", "same_pixels"):
        summary[name] = all(q[name] for q in qualities)
    return summary


def spreads(runs: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Median, least and most of every part of the runs' seconds."""
    return {part: spread([run.seconds[part] for run in runs]) for part in PARTS}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    told = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, _DIGITS) for name, value in told.items()}


def speedup(
    own: Mapping[str, Any], reference: Mapping[str, Any], rounds: tuple[float, float] | None
) -> dict[str, float | None]:
    """How much sooner than the reference, from two arms' `spreads`.

    `measured` and `ideal` are of sampling, `total` is of the whole wait for a picture.

    Args:
        own: The arm's seconds.
        reference: The reference's.
        rounds: The arm's and the reference's; None where their rounds do not cost the same.
    """
    measured = _ratio(reference["sample"]["median"], own["sample"]["median"])
    ideal = rounds and _ratio(rounds[1], rounds[0])
    return {
        "measured": measured,
        "ideal": ideal,
        "ratio": round(measured / ideal, _DIGITS) if measured and ideal else None,
        "total": _ratio(reference["total"]["median"], own["total"]["median"]),
    }


def peaks(runs: Sequence[Measured], devices: Sequence[str]) -> list[dict[str, Any]]:
    """Per core the most memory that any run took, in bytes: on its device, and on the host."""
    found = []
    for core, device in enumerate(devices):
        own = [run.peak_memory[core] for run in runs]
        on_device = [peak for peak, _ in own if peak is not None]
        found.append(
            {
                "core": core,
                "device": device,
                "device_bytes": max(on_device, default=None),
                "host_bytes": max(host for _, host in own),
            }
        )
    return found


def _ratio(one: float, other: float) -> float | None:
    return round(one / other, _DIGITS) if other > 0 else None
