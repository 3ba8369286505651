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
from chords_cli.sampler.fills import Fill, LinearGrid, Sum, alone, fills, stretches
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

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        """Moves from `latent`, where `drift` was evaluated, to the next step of the walk."""
        if self._round == 0:
            self._compile()
        round, step = self._round, self._plan.walks[self._core][self._round]
        stop = self._plan.reached(self._core, round)
        self._round += 1
        assert self._grid is not None, "a core compiles before it moves"
        predicted = widened(latent) * self._grid.end_keep[step]
        self._known[step] = predicted.add_(widened(drift), alpha=self._grid.end_pull[step])
        sent = None
        if round in self._outgoing:  # what the message holds beside the latent
            sent = self._summed(self._faster_fills[round].slower, round, self._known)
        if self._exact:
            moved = self._solver.fine(latent, drift, step)
            wide = widened(moved)
        else:
            carried = self._carried(latent, drift, step)  # asked before the message comes
            own = self._summed(self._fills[round].own, round, self._known)
            wide = self._link.receive(round, like=own).add_(own)
            moved = wide.to(carried)
        if sent is not None:
            self._link.send(round, sent.add_(wide, alpha=self._faster_fills[round].carry))
        correction = kept = None
        if round in self._incoming:
            kept = self._alone[round].carry if self._grid.exact else None
            known = dict(self._known)  # some of which is forgotten before anybody asks
            correction = partial(self._correction, wide, widened(latent), round, known)
        self._forget(round)
        self._solver.settle(stop, jumped=stop > step + 1, rectified=not self._exact)
        preview = previewed(self._plan, self._core, round, self._solver, latent, drift)
        return Move(moved, preview, correction, kept)

    def _compile(self) -> None:
        self._grid = self._solver.linear_grid()
        self._stretches = stretches(self._plan, self._core, self._grid)
        if not self._exact:
            self._fills = fills(self._plan, self._core, self._grid)
            self._alone = alone(self._plan, self._core, self._grid)
        if self._core + 1 < self._plan.cores:
            self._faster_fills = fills(self._plan, self._core + 1, self._grid)

    def _summed(self, wanted: Sum, round: int, known: Mapping[int, Tensor]) -> Tensor:
        """Returns the sum over the core's own predictions."""
        total = torch.zeros_like(next(iter(known.values())))
        for step, factor in wanted.known.items():
            total.add_(known[step], alpha=factor)
        if wanted.beyond:
            visited = self._plan.walks[self._core][round - 2 : round + 1]
            earlier, before, now = (known[step] for step in visited)
            change = now - before
            share = trusted(change, self._stretches[round] * (before - earlier))
            total.add_(change * share, alpha=wanted.beyond)
        return total

    def _correction(
        self, corrected: Tensor, latent: Tensor, round: int, known: Mapping[int, Tensor]
    ) -> Tensor:
        """Measures how far a move ended from where it would have led from the same latent."""
        fill = self._alone[round]
        uncorrected = self._summed(fill.own, round, known).add_(latent, alpha=fill.carry)
        return rms(corrected - uncorrected)

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
