"""The wavefront's core where there is only one: torch only.

Nobody corrects it, so its own drifts are all there is to know of the steps that it skips. It takes
every one of the sampler's own steps, history and all; where it has not asked the model, it follows
the line in the clock through the last two drifts.
"""

import torch
from torch import Tensor

from chords_cli.sampler.core import Link, Move, Solver, carried_dtype, previewed, widened
from chords_cli.sampler.plan import Plan


class LoneCore:
    """Visits some of the grid's steps and extrapolates the drift on the others, in float32.

    Of second order; with as many rounds as steps it is the sequential sampler, bit for bit.
    """

    def __init__(self, plan: Plan, core: int, solver: Solver, link: Link) -> None:
        assert plan.cores == 1, "several cores correct each other"
        self._plan, self._solver = plan, solver
        self._exact = plan.visits_all(core)
        self._clock: tuple[float, ...] = ()
        self._before: Tensor | None = None
        self._round = 0

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        """Moves from `latent`, where `drift` was evaluated, to the next step of the walk."""
        round, step = self._round, self._plan.walks[0][self._round]
        self._round += 1
        preview = previewed(self._plan, 0, round, self._solver, latent, drift)
        moved = self._solver.fine(latent, drift, step) if self._exact else None
        if moved is None:
            moved = self._along_line(latent, drift, round)
        self._solver.settle(self._plan.reached(0, round), jumped=False, rectified=False)
        return Move(moved, preview)

    def _along_line(self, latent: Tensor, drift: Tensor, round: int) -> Tensor:
        """Takes the fine steps from the visited one to the next."""
        self._clock = self._clock or self._solver.clock()
        walk = self._plan.walks[0]
        here, now, step = widened(latent), widened(drift), walk[round]
        carried = carried_dtype(self._solver, latent, drift, step)
        change = None if self._before is None else now - self._before
        for taken in range(step, self._plan.reached(0, round)):
            followed = now
            if change is not None and taken > step:
                stride = self._clock[step] - self._clock[walk[round - 1]]
                ahead = (self._clock[taken] - self._clock[step]) / stride
                followed = torch.add(now, change, alpha=ahead)
            here = self._solver.fine(here, followed, taken)
        self._before = now
        return here.to(carried)
