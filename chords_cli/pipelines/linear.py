"""A scheduler's fine steps as factors, found by taking steps from known places.

Every first-order deterministic step is linear in latent and model output, whatever is predicted:
x_{i+1} = keep x_i + pull v_i. Two unit inputs tell both factors, further ones whether that is
true; clipping and thresholding are not linear and are refused.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from chords_cli.errors import UsageError
from chords_cli.sampler.wavefront import LinearGrid

Jump = Callable[[Tensor, Tensor, int, int], Tensor]
"""From latents and model outputs at one grid step to the latents at another, by one stock step."""

_PROBES = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (-37.0, 20.0))
"""Latents and model outputs: two that tell the factors, and two on which these must hold, one of
them far outside of [-1, 1]."""


def linear_grid(jump: Jump, name: str, clock: list[float]) -> LinearGrid:
    """Finds the factors of every fine step, and of the step from there to the end of the grid.

    Args:
        jump: The scheduler's step, for tensors on the host.
        name: The scheduler's class.
        clock: Where drifts are interpolated, one number for each of the T steps.

    Raises:
        UsageError: The steps are not linear, or not finite.
    """
    steps = len(clock)
    fine, end = [], []
    for step in range(steps):
        kept, pulled, *found = _jumps(jump, step, step + 1)
        if not (math.isfinite(kept) and math.isfinite(pulled)):
            raise UsageError(
                f"step {step} of {name} multiplies latents by {kept:g} and predictions by "
                f"{pulled:g}",
                "check prediction_type and the betas in the scheduler of the preset",
            )
        for (latent, drift), made in zip(_PROBES[2:], found, strict=True):
            said = kept * latent + pulled * drift
            if not math.isclose(made, said, rel_tol=1e-4, abs_tol=1e-4):
                raise UsageError(
                    f"{name} takes no linear steps: step {step} makes {made:g} where its factors "
                    f"say {said:g}, as clipping does",
                    "use --algo chords, or turn clip_sample and thresholding off in the preset",
                )
        fine.append((kept, pulled))
        end.append(tuple(_jumps(jump, step, steps)[:2]))
    (keep, pull), (end_keep, end_pull) = zip(*fine, strict=True), zip(*end, strict=True)
    return LinearGrid(keep, pull, end_keep, end_pull, tuple(clock))


def _jumps(jump: Jump, start: int, stop: int) -> list[float]:
    """Where one first-order step takes the probes, each a sample of one batch."""
    latents, drifts = torch.tensor(_PROBES).reshape(-1, 2, 1, 1, 1).unbind(1)
    made: list[float] = jump(latents, drifts, start, stop).flatten().tolist()
    return made
