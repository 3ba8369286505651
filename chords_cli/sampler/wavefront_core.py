"""A core of the wavefront: torch only. Its factors come from `sampler.fills`."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from chords_cli.sampler.core import (
    Link,
    Move,
    Solver,
    carried_dtype,
    previewed,
    rms,
    trusted,
    widened,
)
from chords_cli.sampler.fills import Fill, LinearGrid, Sum, alone, fills, is_weak, stretches
from chords_cli.sampler.plan import Plan


class WavefrontCore:
    """Re-bases on the slower core's newest latent in every round.

    Core 0 takes the sampler's own steps and is exact. All sums are float32; the sum over what a
    core knows itself is ready before the slower core's message comes, so a hop through all cores
    costs each of them one addition for the receiver and one for the sender.
    """

    def __init__(self, plan: Plan, core: int, solver: Solver, link: Link) -> None:
        self._plan, self._core, self._solver, self._link = plan, core, solver, link
        self._incoming, self._outgoing = plan.incoming(core), plan.outgoing(core)
        self._exact = core == 0
        self._grid: LinearGrid | None = None
        self._fills: list[Fill] = []
        self._faster_fills: list[Fill] = []
        self._alone: list[Fill] = []
        self._stretches: list[float] = []
        self._known: dict[int, Tensor] = {}
        self._dtypes: dict[tuple[torch.dtype, torch.dtype], torch.dtype] = {}
        self._round = 0

    def prepare(self) -> None:
        """Computes the factors of all rounds."""
        self._grid = grid = self._solver.linear_grid()
        self._stretches = stretches(self._plan, self._core, grid)
        if not self._exact:
            self._fills = fills(self._plan, self._core, grid)
            self._alone = alone(self._plan, self._core, grid)
        if self._core + 1 < self._plan.cores:
            self._faster_fills = fills(self._plan, self._core + 1, grid)

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        """Moves from `latent`, where `drift` was evaluated, to the next step of the walk."""
        if self._round == 0 and self._solver.linear_grid() is not self._grid:
            self.prepare()  # only now is known what the pipeline hands to every step
        round, step = self._round, self._plan.walks[self._core][self._round]
        stop = self._plan.reached(self._core, round)
        self._round += 1
        assert self._grid is not None, "a core compiles before it moves"
        predicted = widened(latent) * self._grid.end_keep[step]
        self._known[step] = predicted.add_(widened(drift), alpha=self._grid.end_pull[step])
        followed, sent = self._followed(round), None
        if round in self._outgoing:  # what the message holds beside the latent
            sent = _summed(self._faster_fills[round].slower, self._known, followed)
        if self._exact:
            moved = self._solver.fine(latent, drift, step)
            wide = widened(moved)
        else:
            carried = self._carried(latent, drift, step)  # asked before the message comes
            own = _summed(self._fills[round].own, self._known, followed)
            wide = own.add_(self._link.receive(round, like=own))
            moved = wide.to(carried)
        if sent is not None:
            self._link.send(round, sent.add_(wide, alpha=self._faster_fills[round].carry))
        correction = kept = None
        if round in self._incoming:
            kept = self._alone[round].carry if self._grid.exact else None
            known = dict(self._known)  # some of which is forgotten before anybody asks
            fill = self._alone[round]
            correction = partial(_correction, wide, widened(latent), fill, known, followed)
        self._forget(round)
        self._solver.settle(stop, jumped=stop > step + 1, rectified=not self._exact)
        preview = previewed(self._plan, self._core, round, self._solver, latent, drift)
        return Move(moved, preview, correction, kept)

    def _followed(self, round: int) -> Tensor | None:
        """Returns the last change of prediction, as far as it is followed; None if nobody asks."""
        asking = []
        if round in self._outgoing:
            asking.append(self._faster_fills[round].slower)
        if not self._exact:
            asking += [self._fills[round].own, self._alone[round].own]
        if not any(wanted.beyond for wanted in asking):
            return None
        visited = self._plan.walks[self._core][max(0, round - 2) : round + 1]
        *earlier, before, now = (self._known[step] for step in visited)
        change, weak = now - before, is_weak(self._plan)
        if weak and (self._plan.cores == 2 or not earlier):
            return change
        share = trusted(change, self._stretches[round] * (before - earlier[0]))
        return change * (share.sqrt() if weak else share)

    def _carried(self, latent: Tensor, drift: Tensor, step: int) -> torch.dtype:
        given = latent.dtype, drift.dtype
        if given not in self._dtypes:
            self._dtypes[given] = carried_dtype(self._solver, latent, drift, step)
        return self._dtypes[given]

    def _forget(self, round: int) -> None:
        """Drops what no later sum reads: behind the slower core, but for the last few."""
        assert self._grid is not None, "a core compiles before it moves"
        base = self._plan.reached(self._core - 1, round) if self._core else self._plan.steps
        for step in sorted(self._known)[: -max(2, self._grid.memory)]:
            if step < base:
                del self._known[step]


def _summed(wanted: Sum, known: Mapping[int, Tensor], followed: Tensor | None) -> Tensor:
    """Returns the sum over a core's own predictions."""
    terms = [(known[step], factor) for step, factor in wanted.known.items()]
    if wanted.beyond:
        assert followed is not None, "a change is known to whoever sums it"
        terms.append((followed, wanted.beyond))
    if not terms:
        return torch.zeros_like(next(iter(known.values())))
    (first, factor), *others = terms
    total = first * factor
    for term, factor in others:
        total.add_(term, alpha=factor)
    return total


def _correction(
    corrected: Tensor,
    latent: Tensor,
    fill: Fill,
    known: Mapping[int, Tensor],
    followed: Tensor | None,
) -> Tensor:
    """Measures how far a move ended from where it would have led from the same latent."""
    return rms(corrected - _summed(fill.own, known, followed).add_(latent, alpha=fill.carry))
