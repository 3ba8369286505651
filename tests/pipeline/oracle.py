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
from chords_cli.pipelines.schedulers import StockSolver
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
        plan, evaluator.drift, noise, [0.0] * (plan.steps + 1), solver=lambda _: evaluator.solver()
    )


class _Evaluator:
    def __init__(self, pipe: DiffusionPipeline, call: dict[str, Any], steps: int) -> None:
        self._pipe, self._call, self._steps = pipe, call, steps
        self._scheduler: Any = None
        self._grid = torch.empty(0)
        self._seen: tuple[Tensor, Tensor] = (self._grid, self._grid)

    def noise(self, seed: int) -> Tensor:
        """The latent that the pipeline draws from `seed`."""
        self._evaluate(0, generator=torch.Generator("cpu").manual_seed(seed))
        return self._seen[0]

    def drift(self, latent: Tensor, step: int) -> Tensor:
        self._evaluate(step, latents=latent)
        return self._seen[1]

    def solver(self) -> StockSolver:
        """A scheduler of one core: the pipeline's, with its grid and an empty history."""
        solver = StockSolver(copy.deepcopy(self._scheduler))
        solver.grid = self._grid
        return solver

    def _evaluate(self, step: int, **arguments: Any) -> None:
        chain = Chain(self._pipe, (step,), self._steps)

        def see(latent: Tensor, drift: Tensor) -> Tensor:
            self._seen = (latent, drift)
            self._grid = chain.solver.grid
            return latent

        chain.lead(see, begin=lambda: None)
        with following(self._pipe, chain):
            self._pipe(**self._call, **arguments, output_type="latent")
        self._scheduler = self._pipe.scheduler
