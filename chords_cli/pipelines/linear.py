"""A scheduler's fine steps as factors, found by asking the scheduler.

Every first-order deterministic step is linear in latent and model output, whatever is predicted:
x_{i+1} = keep x_i + pull v_i. Two unit inputs tell both factors, further ones whether that is
true; clipping and thresholding are not linear and are refused.
"""

import math
from typing import TYPE_CHECKING

import torch

from chords_cli.errors import UsageError
from chords_cli.sampler.wavefront import LinearGrid

if TYPE_CHECKING:
    from chords_cli.pipelines.schedulers import StockSolver

_CHECKS = ((1.0, 1.0), (-37.0, 20.0))
"""Latents and model outputs on which the factors must hold, far outside of [-1, 1]."""


def linear_grid(solver: "StockSolver", name: str, clock: list[float]) -> LinearGrid:
    """The factors of the scheduler `name` behind `solver`, whose grid is set.

    Raises:
        UsageError: Its steps are not linear.
    """
    keep, pull = [], []
    for step in range(len(solver.grid)):
        kept, pulled = _jump(solver, step, 1.0, 0.0), _jump(solver, step, 0.0, 1.0)
        for latent, drift in _CHECKS:
            found, said = _jump(solver, step, latent, drift), kept * latent + pulled * drift
            if not math.isclose(found, said, rel_tol=1e-4, abs_tol=1e-4):
                raise UsageError(
                    f"{name} takes no linear steps: step {step} makes {found:g} where its factors "
                    f"say {said:g}, as clipping does",
                    "use --algo chords, or turn clip_sample and thresholding off in the preset",
                )
        keep.append(kept)
        pull.append(pulled)
    return LinearGrid(tuple(keep), tuple(pull), tuple(clock))


def _jump(solver: "StockSolver", step: int, latent: float, drift: float) -> float:
    one = torch.ones(1, 1, 1, 1)
    return float(solver.jump(one * latent, one * drift, step, step + 1))
