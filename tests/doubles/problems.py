"""Analytic problems that stand in for a model, and the grids that they are solved on."""

import math
from collections.abc import Callable, Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor

from chords_cli.sampler.core import Solver

Drift = Callable[[Tensor, int], Tensor]


class StockDriver:
    """The driver of a pipeline's loop that takes the scheduler's own steps, every one."""

    stopped = False

    def begin(self, solver: Solver) -> None:
        self._solver, self._step = solver, 0

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        self._step += 1
        return self._solver.fine(latent, drift, self._step - 1)


def shifted_sigmas(steps: int, shift: float = 3.0) -> list[float]:
    """The T + 1 noise levels of a flow-matching grid, from 1 down to 0, dense near the noise."""
    even = [1 - step / steps for step in range(steps + 1)]
    return [shift * sigma / (1 + (shift - 1) * sigma) for sigma in even]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """A latent at step 0, of shape (2, 5) unless said otherwise."""
    drawn = torch.randn(shape or (2, 5), generator=torch.Generator().manual_seed(seed))
    return drawn.to(dtype)


def stiff_drift(sigmas: Sequence[float]) -> Drift:
    """A drift without a known solution: nonlinear, stiff, other in every step and coordinate."""

    def drift(latent: Tensor, step: int) -> Tensor:
        sigma = sigmas[step]
        pull = torch.tanh(2 * latent + math.cos(9 * sigma))
        return pull + 3 * torch.sin(3 * latent.roll(1, -1) + 5 * sigma) - sigma * latent

    return drift


def linear_drift(rate: float) -> Drift:
    """dx/dsigma = rate * x, whose solution is x(sigma) = x(1) * exp(rate * (sigma - 1))."""
    return lambda latent, step: rate * latent


@st.composite
def grids(draw: st.DrawFn, most_steps: int = 60, most_cores: int = 10) -> tuple[int, tuple]:
    """A number of steps T and valid starts on it."""
    steps = draw(st.integers(1, most_steps))
    later = st.integers(1, steps - 1) if steps > 1 else st.nothing()
    starts = draw(st.sets(later, max_size=min(most_cores, steps) - 1))
    return steps, (0, *sorted(starts))
