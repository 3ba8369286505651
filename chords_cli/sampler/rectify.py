"""The arithmetic of a core: torch only, one class an algorithm.

A core sees its own latents and drifts, a `Solver` (how the ODE moves from step to step) and a
`Link` (how latents reach the next faster core). It knows neither processes nor pipelines, so the
same object runs in a worker behind a pipeline's scheduler and, K at a time, in the oracle
(`simulate`). Which algorithm has which core is said in `sampler.algorithms`.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from chords_cli.sampler.plan import Plan
from chords_cli.sampler.wavefront import LinearGrid


class Solver(Protocol):
    """How the ODE moves along the grid. Latents and drifts have one shape and device."""

    def fine(self, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        """The latent at `step + 1`, by the sampler's own step; asked once per visited step."""
        ...

    def jump(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        """The latent at `stop` by one first-order step from `start`, without side effects."""
        ...

    def settle(self, stop: int, *, jumped: bool, rectified: bool) -> None:
        """The core has moved to `stop`: a history of grid neighbours may no longer hold."""
        ...

    def linear_grid(self) -> LinearGrid:
        """The factors of the fine steps, for algorithms that sum many of them at once."""
        ...


class Link(Protocol):
    """The latents that travel between neighbouring cores, by round."""

    def send(self, round: int, latent: Tensor) -> None:
        """Hands `latent` to the next faster core; returns before it has arrived."""
        ...

    def receive(self, round: int, like: Tensor) -> Tensor:
        """The next slower core's latent of `round`, on the device of `like`; waits for it."""
        ...


@dataclass(frozen=True, slots=True)
class Move:
    """What a core did in one round.

    Attributes:
        latent: Where it stands now.
        preview: Its coarse shot to the end of the grid, in the one round in which it makes it.
        correction: How far the slower core moved it (RMS in latent units); None without one.
    """

    latent: Tensor
    preview: Tensor | None = None
    correction: float | None = None


class Core(Protocol):
    """One trajectory of an algorithm, advanced one round at a time."""

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        """The move from `latent`, where `drift` was evaluated, to the next step of the walk."""
        ...


class ChordsCore:
    """A core of Algorithm 1 (arXiv 2507.15260).

    It keeps an anchor (b, x_b, v_b), at first its start. When the slower core stands at b too,
    with latent x'_b and drift v'_b, and this core has just evaluated at step t:

        x_{t+1} = fine(x_t, v_t) - jump(x_b, v_b: b -> t+1) + jump(x'_b, v'_b: b -> t+1)

    The slower core sends the last term. The anchor then moves to t + 1.
    """

    def __init__(self, plan: Plan, core: int, solver: Solver, link: Link) -> None:
        self._plan, self._core, self._solver, self._link = plan, core, solver, link
        self._incoming, self._outgoing = plan.incoming(core), plan.outgoing(core)
        self._round = 0
        self._anchor: tuple[int, Tensor, Tensor] | None = None
        self._anchor_step = plan.walks[core][core]

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        round, step = self._round, self._plan.walks[self._core][self._round]
        stop = self._plan.stop(self._core, round)
        self._round += 1
        if message := self._outgoing.get(round):
            self._link.send(round, self._jump(latent, drift, step, message.stop))
        if step == self._anchor_step:
            self._anchor = (step, latent, drift)
        preview = self._preview(latent, drift, round, step)
        jumped, rectified = stop > step + 1, round in self._incoming
        if jumped:
            moved = self._solver.jump(latent, drift, step, stop)
        else:
            moved = self._solver.fine(latent, drift, step)
        correction = None
        if rectified:
            moved, correction = self._rectify(moved, round, stop)
        self._solver.settle(stop, jumped=jumped, rectified=rectified)
        return Move(moved, preview, correction)

    def _preview(self, latent: Tensor, drift: Tensor, round: int, step: int) -> Tensor | None:
        hit = self._plan.hits[0]
        if hit.core != self._core or hit.round != round + 1:
            return None
        return self._solver.jump(latent, drift, step, self._plan.steps).to(latent.dtype)

    def _rectify(self, moved: Tensor, round: int, stop: int) -> tuple[Tensor, float]:
        assert self._anchor is not None, "a plan rectifies no core before it has been at its anchor"
        step, latent, drift = self._anchor
        own = self._jump(latent, drift, step, stop)
        slower = self._link.receive(round, like=own)
        rectified = (moved.to(own.dtype) - own) + slower
        self._anchor, self._anchor_step = None, stop
        return rectified.to(moved.dtype), rms(slower - own)

    def _jump(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        """A jump whose difference to another one is taken: in float32 at least."""
        return self._solver.jump(widened(latent), widened(drift), start, stop)


def widened(latent: Tensor) -> Tensor:
    """The same values in float32 at least."""
    return latent.to(torch.promote_types(latent.dtype, torch.float32))


def rms(latent: Tensor) -> float:
    """Root mean square over all elements: the size of a difference in latent units."""
    return float(latent.float().square().mean().sqrt())
