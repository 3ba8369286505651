"""Measures how far two results of one prompt and seed are apart, as latents and as pictures.

PSNR and SSIM are those of scikit-image with its defaults, on 8-bit RGB, so that anyone can
calculate them from the files. Nothing here knows which result is better.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST_WINDOW = 3
_WINDOW = 7
"""The side of scikit-image's SSIM window; for smaller pictures, the largest odd side that fits."""


def rmse(latent: "NDArray[np.floating]", reference: "NDArray[np.floating]") -> float:
    """Returns the distance between two latents: root mean square in latent units."""
    return _rms(latent.astype(np.float64) - reference)


def relative_rmse(
    latent: "NDArray[np.floating]", reference: "NDArray[np.floating]"
) -> float | None:
    """Returns `rmse` as a share of the reference's root mean square; None if that is zero."""
    size = _rms(reference.astype(np.float64))
    return rmse(latent, reference) / size if size > 0 else None


def psnr(frames: "NDArray[np.uint8]", reference: "NDArray[np.uint8]") -> float | None:
    """Returns the peak signal-to-noise ratio of all frames in dB; None if all pixels are equal.

    Args:
        frames: uint8, [frames, height, width, 3].
        reference: The same shape.
    """
    from skimage.metrics import peak_signal_noise_ratio

    if np.array_equal(frames, reference):
        return None
    value = float(peak_signal_noise_ratio(frames, reference, data_range=255))
    assert math.isfinite(value), "different pixels are a finite distance apart"
    return value


def ssim(frames: "NDArray[np.uint8]", reference: "NDArray[np.uint8]") -> float | None:
    """Returns the structural similarity, averaged over the frames; None for pictures below 3x3.

    Args:
        frames: uint8, [frames, height, width, 3].
        reference: The same shape.
    """
    from skimage.metrics import structural_similarity

    side = min(frames.shape[1:3])
    window = min(_WINDOW, side - 1 + side % 2)
    if window < _SMALLEST_WINDOW:
        return None
    pairs = zip(frames, reference, strict=True)
    values = [
        structural_similarity(a, b, channel_axis=-1, data_range=255, win_size=window)
        for a, b in pairs
    ]
    return float(np.mean(values))


def _rms(values: "NDArray[np.floating]") -> float:
    return float(np.sqrt(np.mean(np.square(values))))
