"""What every algorithm's core is made of: torch only.

A core sees its own latents and drifts, a `Solver` (how the ODE moves from step to step) and a
`Link` (how latents reach the next faster core). It knows neither processes nor pipelines, so the
same object runs in a worker behind a pipeline's scheduler and, K at a time, in the oracle
(`simulate`). `sampler.algorithms` lists which algorithm has which core.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from chords_cli.sampler.fills import LinearGrid
from chords_cli.sampler.plan import Plan


class Solver(Protocol):
    """How the ODE moves along the grid. Latents and drifts have one shape and device."""

    def fine(self, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        """Takes the sampler's own step from `step` to the next, once per visited step."""
        ...

    def jump(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        """Takes one first-order step from `start` to `stop`, without side effects."""
        ...

    def settle(self, stop: int, *, jumped: bool, rectified: bool) -> None:
        """Takes note that the core is at `stop`: a history of neighbours may no longer hold."""
        ...

    def clock(self) -> tuple[float, ...]:
        """Returns the time in which drifts are interpolated, for each of the T steps."""
        ...

    def linear_grid(self) -> LinearGrid:
        """Returns the factors of the fine steps, for algorithms that sum many of them at once."""
        ...


class Link(Protocol):
    """The latents that travel between neighbouring cores, by round."""

    def send(self, round: int, latent: Tensor) -> None:
        """Hands `latent` to the next faster core; returns before it has arrived."""
        ...

    def receive(self, round: int, like: Tensor) -> Tensor:
        """Waits for the slower core's latent of `round`; returns it on the device of `like`.

        It lasts until the next one is received.
        """
        ...


Measure = Callable[[], Tensor]
"""Numbers that are computed when somebody asks for them: one a sample, shape (B,), on the device
of the latents."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a core did in one round.

    Attributes:
        latent: Where it stands now.
        preview: Its coarse shot to the end of the grid, in the one round in which it makes it.
        correction: Tells how far the slower core moved it (RMS in latent units); None without one.
            Nothing depends on it, so it costs the round nothing unless it is asked for.
        kept: How much of a difference between two latents at the evaluated step is left where it
            stands now; None where that is not known.
    """

    latent: Tensor
    preview: Tensor | None = None
    correction: Measure | None = None
    kept: float | None = None


class Core(Protocol):
    """One trajectory of an algorithm, advanced one round at a time."""

    def prepare(self) -> None:
        """Computes what is known before the first evaluation; a thread may do it meanwhile."""
        ...

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        """Moves from `latent`, where `drift` was evaluated, to the next step of the walk."""
        ...


def previewed(
    plan: Plan, core: int, round: int, solver: Solver, latent: Tensor, drift: Tensor
) -> Tensor | None:
    """Returns the coarse shot to the end of the grid, in the round of the plan's preview."""
    hit = plan.hits[0]
    if hit.core != core or hit.round != round + 1:
        return None
    shot = solver.jump(latent, drift, plan.walks[core][round], plan.steps)
    return shot.to(latent.dtype)


def carried_dtype(solver: Solver, latent: Tensor, drift: Tensor, step: int) -> torch.dtype:
    """Returns the dtype in which the sampler's own step would hand the latent on."""
    return solver.jump(latent.new_zeros(1), drift.new_zeros(1), step, step + 1).dtype


def widened(latent: Tensor) -> Tensor:
    """Returns the same values in float32 at least."""
    return latent.to(torch.promote_types(latent.dtype, torch.float32))


def rms(latent: Tensor) -> Tensor:
    """Returns the root mean square of every sample, shape (B,): the size of a difference."""
    return latent.float().square().reshape(len(latent), -1).mean(1).sqrt()


def trusted(change: Tensor, expected: Tensor) -> Tensor:
    """Returns the share of an extrapolation, 0 to 1, that would have come closest to the truth.

    Args:
        change: What happened, shape (B, ...) with at least two dimensions.
        expected: What the line through the two points before it foretold, of the same shape.

    Returns:
        One number a sample, shape (B, 1, ...): samples of a batch do not depend on each other.
    """
    alike = (change * expected).flatten(1).sum(1)
    size = expected.square().flatten(1).sum(1).clamp(min=torch.finfo(expected.dtype).tiny)
    return (alike / size).clamp(0.0, 1.0).reshape(-1, *(1,) * (change.ndim - 1))
