"""The wavefront's core where there is only one: torch only.

Nobody corrects it, so its own drifts are all there is to know of the steps that it skips. It takes
every one of the sampler's own steps, history and all; where it has not asked the model, it follows
the line in the clock through the last two drifts. A multistep sampler follows a line of its own,
and under strong guidance two of them together swing too far: there only the share of the line
counts that would have been right one evaluation ago (`core.trusted`).
"""

import torch
from torch import Tensor

from chords_cli.sampler.core import Link, Move, Solver, carried_dtype, previewed, trusted, widened
from chords_cli.sampler.fills import is_weak
from chords_cli.sampler.plan import Plan


class LoneCore:
    """Visits some of the grid's steps and extrapolates the drift on the others, in float32.

    With as many rounds as steps it is the sequential sampler, bit for bit.
    """

    def __init__(self, plan: Plan, core: int, solver: Solver, link: Link) -> None:
        assert plan.cores == 1, "several cores correct each other"
        self._walk, self._plan, self._solver = plan.walks[core], plan, solver
        self._clock: tuple[float, ...] = ()
        self._trusts_all = True
        self._known: list[tuple[float, Tensor]] = []
        self._round = 0

    def prepare(self) -> None:
        """Finds the clock, and whether the sampler follows a line of its own."""
        if self._plan.visits_all(0):
            return
        self._trusts_all = is_weak(self._plan) or not self._solver.linear_grid().memory
        self._clock = self._solver.clock()

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        """Moves from `latent`, where `drift` was evaluated, to the next step of the walk."""
        round, stop = self._round, self._plan.reached(0, self._round)
        self._round += 1
        preview = previewed(self._plan, 0, round, self._solver, latent, drift)
        if self._plan.visits_all(0):
            moved = self._solver.fine(latent, drift, self._walk[round])
        else:
            moved = self._along_line(latent, drift, self._walk[round], stop)
        self._solver.settle(stop, jumped=False, rectified=False)
        return Move(moved, preview)

    def _along_line(self, latent: Tensor, drift: Tensor, step: int, stop: int) -> Tensor:
        """Takes the fine steps from the visited one to the next."""
        if not self._clock:
            self.prepare()
        carried = carried_dtype(self._solver, latent, drift, step)
        here, now = widened(latent), widened(drift)
        self._known = [*self._known[-2:], (self._clock[step], now)]
        slope = self._slope()
        for taken in range(step, stop):
            ahead = self._clock[taken] - self._clock[step]
            followed = now if slope is None else torch.add(now, slope, alpha=ahead)
            here = self._solver.fine(here, followed, taken)
        return here.to(carried)

    def _slope(self) -> Tensor | None:
        """Returns how the drift changes with the clock; None as long as one is known alone."""
        if len(self._known) == 1:
            return None
        (second, before), (last, now) = self._known[-2:]
        change = now - before
        slope = change / (last - second)
        if self._trusts_all or len(self._known) == 2:
            return slope
        first, earlier = self._known[0]
        return slope * trusted(change, (last - second) / (second - first) * (before - earlier))
