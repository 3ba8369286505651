"""The oracle driven by a real pipeline: its drift, its grid, its scheduler's own steps.

A pipeline is asked for one drift at a time: it is called with the latent as its initial noise and
a walk of one step, and what it hands to `scheduler.step` is the drift.
"""

import copy
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from chords_cli.pipelines.chain import Chain, following
from chords_cli.pipelines.solver import StockSolver
from chords_cli.sampler import Output, Plan, simulate


def stock_latent(pipe: DiffusionPipeline, call: dict[str, Any], seed: int) -> Tensor:
    """What stock diffusers computes."""
    noise = torch.Generator("cpu").manual_seed(seed)
    return pipe(**call, generator=noise, output_type="latent", return_dict=False)[0]


def pipeline_outputs(
    pipe: DiffusionPipeline, call: dict[str, Any], seed: int, plan: Plan
) -> list[Output]:
    """All outputs of `plan`, simulated in this process with the pipeline's own drift."""
    evaluator = _Evaluator(pipe, call, plan.steps)
    noise = evaluator.noise(seed)
    return simulate(
        plan,
        evaluator.drift,
        noise,
        [0.0] * (plan.steps + 1),  # the scheduler knows its own
        solver=lambda core: evaluator.solver(),
        carry=lambda latent: latent.to(evaluator.carried),
    )


class _Evaluator:
    """Walks the pipeline to one step at a time: over step 0, where it hands out the latent."""

    def __init__(self, pipe: DiffusionPipeline, call: dict[str, Any], steps: int) -> None:
        self._pipe, self._call, self._steps = pipe, call, steps
        self.carried = self._evaluate((0, 1), None)[0].dtype

    def noise(self, seed: int) -> Tensor:
        """The latent that the pipeline draws from `seed`."""
        self._first = self._evaluate((0,), None, seed)
        return self._first[0]

    def drift(self, latent: Tensor, step: int) -> Tensor:
        if step > 0:
            return self._evaluate((0, step), latent)[1]
        noise, drift = self._first
        assert torch.equal(latent, noise), "every core begins with the same noise"
        return drift

    def solver(self) -> StockSolver:
        """The solver of one core: the pipeline's scheduler with its grid and an empty history."""
        solver = StockSolver(copy.deepcopy(self._pipe.scheduler))
        solver.grid = self._grid
        solver.settle(0, jumped=True, rectified=False)  # forgets what was asked of it before
        return solver

    def _evaluate(
        self, walk: tuple[int, ...], latent: Tensor | None, seed: int = 0
    ) -> tuple[Tensor, Tensor]:
        """The last latent and drift of `walk`; after step 0 `latent`, if given, is handed out."""
        driver = _Witness(walk, latent)
        with following(self._pipe, Chain(self._pipe, walk, self._steps, driver)):
            noise = torch.Generator("cpu").manual_seed(seed)
            self._pipe(**self._call, generator=noise, output_type="latent")
        self._grid = driver.solver.grid
        return driver.seen[-1]


class _Witness:
    """A driver that keeps what it sees; it moves to `answer`, or by the scheduler's own steps."""

    stopped = False

    def __init__(self, walk: tuple[int, ...], answer: Tensor | None) -> None:
        self._walk, self._answer = walk, answer
        self.seen: list[tuple[Tensor, Tensor]] = []

    def begin(self, solver: StockSolver) -> None:
        self.solver = solver

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        step = self._walk[len(self.seen)]
        self.seen.append((latent, drift))
        return self.solver.fine(latent, drift, step) if self._answer is None else self._answer
