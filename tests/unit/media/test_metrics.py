import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from chords_cli.media.metrics import psnr, relative_rmse, rmse, ssim

RNG = np.random.default_rng(0)
ONE = RNG.integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
OTHER = np.clip(ONE + RNG.normal(0, 9, ONE.shape), 0, 255).astype(np.uint8)


def ssim_by_hand(one, other):
    """Wang et al. 2004 on 7x7 windows with sample covariances, mean over windows and channels."""
    a, b = (
        sliding_window_view(x.astype(float), (7, 7), (0, 1)).reshape(18, 26, 3, 49)
        for x in (one, other)
    )
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = a.mean(-1), b.mean(-1)
    cov = ((a - mean_a[..., None]) * (b - mean_b[..., None])).sum(-1) / 48
    top = (2 * mean_a * mean_b + first) * (2 * cov + second)
    spread = a.var(-1, ddof=1) + b.var(-1, ddof=1) + second
    return float((top / ((mean_a**2 + mean_b**2 + first) * spread)).mean())


def test_psnr_is_that_of_the_mean_square_over_all_frames():
    square = np.mean((ONE.astype(float) - OTHER) ** 2)
    assert psnr(ONE, OTHER) == pytest.approx(10 * math.log10(255**2 / square), abs=1e-9)


def test_ssim_is_that_of_the_paper_with_uniform_windows():
    expected = np.mean([ssim_by_hand(a, b) for a, b in zip(ONE, OTHER, strict=True)])
    assert ssim(ONE, OTHER) == pytest.approx(expected, abs=1e-9)


def test_equal_pictures_have_no_psnr_and_full_similarity():
    assert psnr(ONE, ONE.copy()) is None
    assert ssim(ONE, ONE.copy()) == 1.0


def test_a_picture_smaller_than_the_window_is_still_measured():
    assert ssim(ONE[:, :6, :4], OTHER[:, :6, :4]) < 1
    assert ssim(ONE[:, :2, :2], OTHER[:, :2, :2]) is None


def test_rmse_is_in_the_units_of_the_latents_and_relative_to_their_size():
    reference = np.full((1, 4, 5), 2.0, dtype=np.float32)
    assert rmse(reference + np.float32(0.5), reference) == 0.5
    assert relative_rmse(reference + np.float32(0.5), reference) == 0.25
    assert relative_rmse(reference, np.zeros_like(reference)) is None
