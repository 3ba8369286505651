"""How far an arm's samples are from the sequential sampler's: numbers a sample, and their summary.

The measures are the project's own (`chords_cli.media.metrics`): RMSE in latent units, PSNR and
SSIM of the 8-bit pictures, over all frames.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.study.arms import Attempt
from benchmarks.study.models import Asked, Reading
from benchmarks.study.problem import Problem
from chords_cli.media.metrics import psnr, rmse, ssim

EQUAL = 99.0
"""PSNR in dB where all pixels are equal, and the largest that is counted."""

FAR = 20.0
"""PSNR in dB below which nobody takes two pictures for the same one."""

CHANGED = (
    f"a sample has changed visibly if its PSNR is below {FAR:g} dB, or if what is read off it "
    "(background, colours, shapes, places right or wrong; image model) is not what is read off the "
    "sequential sampler's"
)


@dataclass
class Row:
    """One arm at one guidance, over all prompts; lists have one number a prompt."""

    model: str
    guidance: float
    arm: str
    cores: int
    setting: str
    rounds: list[int] = field(default_factory=list)
    nfe: list[int] = field(default_factory=list)
    rmse: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    changed: list[bool] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, float, str, int, str]:
        return self.model, self.guidance, self.arm, self.cores, self.setting

    @property
    def name(self) -> str:
        return f"{self.arm} K={self.cores}" if self.arm in PARALLEL else self.arm

    def summary(self) -> dict[str, Any]:
        """Median, 90 % and worst of everything; worst is what is furthest away."""
        return {
            "rounds": float(np.mean(self.rounds)),
            "nfe": float(np.mean(self.nfe)),
            "rmse": _spread(self.rmse, 0.9),
            "psnr": _spread(self.psnr, 0.1),
            "ssim": _spread(self.ssim, 0.1),
            "changed": float(np.mean(self.changed)),
        }

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"summary": self.summary()}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Row":
        return cls(**{name: value for name, value in document.items() if name != "summary"})


PARALLEL = ("chords", "wavefront", "ParaDiGMS", "SRDS")
"""Algorithms that are told apart by their cores."""


def measured(
    attempt: Attempt,
    exact: Attempt,
    exact_frames: np.ndarray,
    *,
    problem: Problem,
    asked: Sequence[Asked],
    read: Reading | None,
    model: str,
    guidance: float,
) -> Row:
    """An arm's distance to the exact result on the prompts of one problem."""
    row = Row(model, guidance, attempt.arm, attempt.cores, attempt.setting)
    row.rounds, row.nfe = list(attempt.rounds), list(attempt.nfe)
    latents = attempt.latents.float().cpu().numpy()
    row.rmse = [
        rmse(a, b) for a, b in zip(latents, exact.latents.float().cpu().numpy(), strict=True)
    ]
    for frames, wanted, one in zip(
        problem.decode(attempt.latents), exact_frames, asked, strict=True
    ):
        near = min(psnr(frames, wanted) or EQUAL, EQUAL)
        alike = ssim(frames, wanted)
        row.psnr.append(near)
        row.ssim.append(1.0 if alike is None else alike)
        other = read is not None and read(frames, one.scene) != read(wanted, one.scene)
        row.changed.append(near < FAR or other)
    return row


def joined(rows: Sequence[Row]) -> list[Row]:
    """Rows of the same arm on different prompts as one, in the order of their first."""
    found: dict[tuple, Row] = {}
    for row in rows:
        whole = found.setdefault(row.key, Row(*row.key))
        for name in ("rounds", "nfe", "rmse", "psnr", "ssim", "changed"):
            getattr(whole, name).extend(getattr(row, name))
    return list(found.values())


def distinct(rows: Sequence[Row]) -> list[Row]:
    """Rows of several studies, once what they have in common, such as the reference.

    Raises:
        ValueError: They tell different numbers of the same arm.
    """
    found: dict[tuple, Row] = {}
    for row in rows:
        if found.setdefault(row.key, row) != row:
            raise ValueError(
                f"{row.name} {row.setting}".rstrip() + f" on {row.model} at guidance "
                f"{row.guidance:g} has other numbers in another study"
            )
    return list(found.values())


def _spread(values: Sequence[float], tail: float) -> dict[str, float]:
    """Median, the value that one in ten is beyond, and the worst one."""
    worst = max(values) if tail > 0.5 else min(values)
    return {
        "median": float(np.median(values)),
        "tail": float(np.quantile(values, tail)),
        "worst": float(worst),
    }
