"""A core of the wavefront: torch only. Its factors come from `sampler.wavefront`."""

from functools import partial

import torch
from torch import Tensor

from chords_cli.sampler.core import Link, Move, Solver, previewed, rms, widened
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.wavefront import Fill, LinearGrid, fills


class WavefrontCore:
    """Re-bases on the slower core's newest latent in every round.

    Core 0 takes the sampler's own steps and is exact, unless it is alone and skips some. All sums
    are float32; the sum over what a core knows itself is ready before the slower core's message
    comes, so a hop through all cores costs each of them one addition for the receiver and one for
    the sender.
    """

    def __init__(self, plan: Plan, core: int, solver: Solver, link: Link) -> None:
        self._plan, self._core, self._solver, self._link = plan, core, solver, link
        self._incoming, self._outgoing = plan.incoming(core), plan.outgoing(core)
        self._exact = core == 0 and plan.visits_all(core)
        self._grid: LinearGrid | None = None
        self._fills: list[Fill] = []
        self._faster_fills: list[Fill] = []
        self._known: dict[int, Tensor] = {}
        self._dtypes: dict[tuple[torch.dtype, torch.dtype], torch.dtype] = {}
        self._round = 0

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        """Moves from `latent`, where `drift` was evaluated, to the next step of the walk."""
        if self._round == 0:
            self._compile()
        round, step = self._round, self._plan.walks[self._core][self._round]
        stop = self._plan.reached(self._core, round)
        self._round += 1
        self._known[step] = self._filled(widened(latent), widened(drift), step)
        if self._exact:
            moved = self._solver.fine(latent, drift, step)
            wide = widened(moved)
        else:
            carried = self._carried(latent, drift, step)  # asked before the message comes
            wide = self._rebased(latent, round)
            moved = wide.to(carried)
        if round in self._outgoing:
            fill = self._faster_fills[round]
            self._link.send(round, (wide * fill.carry).add_(self._known[step], alpha=fill.slower))
        correction = None
        if round in self._incoming:
            correction = partial(self._correction, wide, latent, drift, step, stop)
        self._forget(round)
        self._solver.settle(stop, jumped=stop > step + 1, rectified=not self._exact)
        preview = previewed(self._plan, self._core, round, self._solver, latent, drift)
        return Move(moved, preview, correction)

    def _compile(self) -> None:
        self._grid = self._solver.linear_grid()
        if not self._exact:
            self._fills = fills(self._plan, self._core, self._grid)
        if self._core + 1 < self._plan.cores:
            self._faster_fills = fills(self._plan, self._core + 1, self._grid)

    def _filled(self, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        """Returns what is filled in: the predicted sample, or the drift of a lone core."""
        assert self._grid is not None, "a core compiles before it moves"
        if self._plan.cores == 1:
            return drift
        predicted = latent * self._grid.end_keep[step]
        return predicted.add_(drift, alpha=self._grid.end_pull[step])

    def _rebased(self, latent: Tensor, round: int) -> Tensor:
        fill, here = self._fills[round], widened(latent)
        own = torch.zeros_like(here)
        for step, factor in fill.own.items():
            own.add_(self._known[step], alpha=factor)
        if fill.beyond:
            own.add_(self._beyond(fill, round))
        if round not in self._incoming:
            return own.add_(here, alpha=fill.carry)
        return self._link.receive(round, like=own).add_(own)

    def _beyond(self, fill: Fill, round: int) -> Tensor:
        """Returns what the last change of the core's predictions adds beyond the last of them."""
        visited = self._plan.walks[self._core][round - 2 : round + 1]
        earlier, before, now = (self._known[step] for step in visited)
        change = now - before
        return change * (fill.beyond * trusted(change, fill.stretch * (before - earlier)))

    def _correction(
        self, rebased: Tensor, latent: Tensor, drift: Tensor, step: int, stop: int
    ) -> Tensor:
        """Measures how far the result is from where the core would have gone alone."""
        return rms(rebased - self._solver.jump(widened(latent), widened(drift), step, stop))

    def _carried(self, latent: Tensor, drift: Tensor, step: int) -> torch.dtype:
        """Returns the dtype in which the sampler's own step would hand the latent on."""
        given = latent.dtype, drift.dtype
        if given not in self._dtypes:
            shot = self._solver.jump(latent.new_zeros(1), drift.new_zeros(1), step, step + 1)
            self._dtypes[given] = shot.dtype
        return self._dtypes[given]

    def _forget(self, round: int) -> None:
        """Drops what no later fill reads: behind the slower core, but for the last two."""
        base = self._plan.reached(self._core - 1, round) if self._core else self._plan.steps
        for step in sorted(self._known)[:-2]:
            if step < base:
                del self._known[step]


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
