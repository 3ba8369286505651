"""What is told of an arm's distances, and of those of two arms on the same prompts."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """Latent RMSE to the sequential result over some prompts."""

    median: float
    tail: float
    worst: float
    prompts: int


class Against(NamedTuple):
    """One arm's distances against another's, prompt by prompt.

    Attributes:
        ratio: The geometric mean of the quotients; below 1 the one is closer.
        closer: The share of prompts on which it is.
        prompts: On how many prompts both are known.
    """

    ratio: float
    closer: float
    prompts: int


class Held(NamedTuple):
    """How often the estimate of a run held.

    Attributes:
        share: Of the prompts, those whose distance was within it.
        part: The median of the distance as a part of the estimate.
        prompts: On how many runs.
    """

    share: float
    part: float
    prompts: int


def held(pairs: Sequence[tuple[float, float]]) -> Held | None:
    """Of distances and what they were estimated to be within; None without any."""
    parts = [distance / within for distance, within in pairs if within > 0]
    if not parts:
        return None
    share = sum(part <= 1 for part in parts) / len(parts)
    return Held(share, float(np.median(parts)), len(parts))


def spread(values: Sequence[float | None]) -> Spread | None:
    """Median, the value that one in ten is beyond, and the worst one; None without values."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    tail = float(np.quantile(known, 0.9))
    return Spread(float(np.median(known)), tail, max(known), len(known))


def against(one: Sequence[float | None], other: Sequence[float | None]) -> Against | None:
    """None where nothing is to compare: no prompt of both, or results that are exact."""
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a is not None and b is not None]
    logs = [math.log(a / b) for a, b in pairs if a > 0 and b > 0]
    if not logs:
        return None
    closer = sum(a < b for a, b in pairs) / len(pairs)
    return Against(math.exp(sum(logs) / len(logs)), closer, len(pairs))


def common(one: Sequence[float | None], other: Sequence[float | None]) -> list[float | None]:
    """The values of `one` on the prompts that `other` knows too."""
    known = [other[n] is not None if n < len(other) else False for n in range(len(one))]
    return [value for value, also in zip(one, known, strict=True) if also]
