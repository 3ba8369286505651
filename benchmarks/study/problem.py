"""The ODE of some prompts, learnt from one stock run of their pipeline.

While the unmodified pipeline samples, what it hands to its transformer is written down: every
latent, every timestep, and what never changes (embeddings, ids). Afterwards the drift can be asked
for anywhere, for many latents at once, without the pipeline: `check` holds that to the pipeline's
own result. Works for pipelines that call one transformer for the prompt and, with guidance, once
more for the negative one: Flux and Wan do.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from torch import Tensor

from chords_cli.pipelines.solver import StockSolver
from chords_cli.sampler import Output, Plan, simulate
from chords_cli.sampler.core import Move

ROUNDING = 2e-4
"""How far, as a share of a latent's own size, float32 may carry two ways of the same sums apart."""


class Problem:
    """Several prompts with their noise, at one guidance, and the sequential sampler's path.

    Attributes:
        pipe: The pipeline; it may have another scheduler's call between two uses.
        call: The pipeline's keyword arguments, prompts included.
        steps: T.
        sigmas: The T + 1 noise levels.
        path: The sequential sampler's latents at steps 0 .. T, one row a prompt.
    """

    def __init__(
        self, pipe: DiffusionPipeline, call: dict[str, Any], seeds: Sequence[int], guidance: float
    ) -> None:
        self.call, self.steps = call, int(call["num_inference_steps"])
        self.pipe, self._seeds, self._guidance = pipe, tuple(seeds), guidance
        heard: list[tuple[dict[str, Any], Tensor]] = []
        with _listening(pipe.transformer, heard):
            end = self.stock()
        self._scheduler = copy.deepcopy(pipe.scheduler)
        self.sigmas = [float(sigma) for sigma in pipe.scheduler.sigmas]
        calls, rest = divmod(len(heard), self.steps)
        assert (rest, calls) in ((0, 1), (0, 2)), f"{len(heard)} model calls, {self.steps} steps"
        self._asked = [kwargs for kwargs, _ in heard[:calls]]
        self._fed = torch.stack([kwargs["timestep"][0] for kwargs, _ in heard[::calls]])
        self.path = [kwargs["hidden_states"] for kwargs, _ in heard[::calls]] + [end]
        told = [made for _, made in heard]
        drifts = [self._guided(told[n : n + calls]) for n in range(0, len(told), calls)]
        self._known = list(zip(self.path, drifts, strict=False))

    @property
    def noise(self) -> Tensor:
        return self.path[0]

    @property
    def samples(self) -> int:
        return len(self._seeds)

    def stock(self, steps: int | None = None, scheduler: SchedulerMixin | None = None) -> Tensor:
        """What the unmodified pipeline makes, with other steps or another scheduler if given."""
        own, self.pipe.scheduler = self.pipe.scheduler, scheduler or self.pipe.scheduler
        noise = [torch.Generator("cpu").manual_seed(seed) for seed in self._seeds]
        asked = self.call | {"num_inference_steps": steps or self.steps}
        try:
            made = self.pipe(**asked, generator=noise, output_type="latent", return_dict=False)
        finally:
            self.pipe.scheduler = own
        return made[0]

    def evaluate(self, latents: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
        """The drift of latent n, which is prompt `rows[n]`'s, at the grid step `steps[n]`."""
        fed = self._fed[steps.to(self._fed.device)]
        made = []
        for asked in self._asked:
            kwargs = {name: self._rows_of(name, value, rows) for name, value in asked.items()}
            kwargs |= {"hidden_states": latents, "timestep": fed, "return_dict": False}
            made.append(self.pipe.transformer(**kwargs)[0])
        return self._guided(made)

    def simulated(
        self, plan: Plan, on_move: Callable[[int, int, Move], None] | None = None
    ) -> list[Output]:
        """The outputs of `plan`, all cores in this process."""
        return simulate(
            plan,
            self.remembering(),
            self.noise,
            self.sigmas,
            solver=lambda core: self.solver(),
            on_move=on_move,
        )

    def remembering(self) -> Callable[[Tensor, int], Tensor]:
        """The drift of all prompts at one step, evaluated once for every latent that is asked for.

        What the sequential sampler has evaluated is known from the start: that is core 0.
        """
        known = [[pair] for pair in self._known]

        def drift(latents: Tensor, step: int) -> Tensor:
            for before, answer in known[step]:
                if torch.equal(before, latents):
                    return answer
            rows = torch.arange(len(latents))
            answer = self.evaluate(latents, torch.full_like(rows, step), rows)
            known[step].append((latents, answer))
            return answer

        return drift

    def solver(self) -> StockSolver:
        """The scheduler's own steps on the full grid, with an empty history."""
        solver = StockSolver(copy.deepcopy(self._scheduler))
        solver.grid = self._scheduler.timesteps
        solver.settle(0, jumped=True, rectified=False)
        return solver

    def check(self, prompts: int = 2) -> float:
        """Samples some prompts anew by `evaluate` and measures how far the pipeline's result is.

        Returns:
            The largest distance, RMS as a share of the latent's own.

        Raises:
            ValueError: It is more than rounding: the drift is not the pipeline's.
        """
        rows = torch.arange(min(prompts, self.samples))
        latents, solver = self.noise[rows], self.solver()
        for step in range(self.steps):
            drift = self.evaluate(latents, torch.full_like(rows, step), rows)
            latents = solver.fine(latents, drift, step)
        exact = self.path[-1][rows]
        away = (latents - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
        worst = float(away.max())
        if not worst <= ROUNDING:
            raise ValueError(
                f"the drift leads {worst:.2g} away from the pipeline's own result, which is more "
                f"than rounding ({ROUNDING:g})"
            )
        return worst

    def _guided(self, made: list[Tensor]) -> Tensor:
        if len(made) == 1:
            return made[0]
        positive, negative = made
        return negative + self._guidance * (positive - negative)

    def _rows_of(self, name: str, value: Any, rows: Tensor) -> Any:
        """What a prompt has for itself by row; ids of positions are the same for all."""
        if not isinstance(value, Tensor) or name.endswith("_ids"):
            return value
        assert len(value) == self.samples, f"{name} has {len(value)} rows for {self.samples}"
        return value[rows.to(value.device)]


@contextmanager
def _listening(
    transformer: torch.nn.Module, heard: list[tuple[dict[str, Any], Tensor]]
) -> Iterator[None]:
    def hear(module: torch.nn.Module, args: tuple, kwargs: dict[str, Any], made: Any) -> None:
        assert not args, "pipelines name what they hand to a transformer"
        heard.append((kwargs, made[0]))

    handle = transformer.register_forward_hook(hear, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
