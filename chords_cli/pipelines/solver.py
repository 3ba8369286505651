"""How schedulers step and jump along a chain, and what is refused.

A coarse jump is the scheduler's own step on a scratch copy that sees only two noise levels, so
every prediction type and every grid is converted by the code that owns it. Measured against the
closed forms in float64 the jumps are right to 4e-7 (flow, Euler, DDIM v) and 1.1e-6 (DPM++, eps).

Every first-order deterministic step is linear in latent and model output, whatever is predicted:
x_{i+1} = keep x_i + pull v_i. Two unit inputs tell both factors, further ones whether that is
true; clipping and thresholding are not linear and are refused.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from chords_cli.errors import UsageError
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.pipelines.multistep import empty_history, multistep_grid
from chords_cli.pipelines.rules import DDIM_FAMILY, check_shareable
from chords_cli.sampler.fills import LinearGrid

Jump = Callable[[Tensor, Tensor, int, int], Tensor]
"""From latents and model outputs at one grid step to the latents at another, by one stock step."""

_PROBES = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (-37.0, 20.0))
"""Latents and model outputs: two that tell the factors, and two on which these must hold, one of
them far outside of [-1, 1]."""


BY_TOKEN = "per_token_timesteps"
"""The argument of a scheduler's `step` that names a timestep for every token."""


def check_scheduler(scheduler: SchedulerMixin) -> None:
    """Refuses a scheduler whose steps several cores cannot share (see `check_shareable`)."""
    name = stock_class(type(scheduler)).__name__
    check_shareable(name, order=getattr(scheduler, "order", 1), config=scheduler.config)


def stock_class(cls: type[SchedulerMixin]) -> type[SchedulerMixin]:
    """Returns the diffusers class behind a scheduler class that may be one of ours."""
    return next(base for base in cls.__mro__ if base.__module__.startswith("diffusers."))


class StockSolver:
    """`sampler.Solver` made of a scheduler's own steps on the pipeline's own grid.

    Steps are those of the pipeline's loop, which may begin late in the grid. Latents and drifts lie
    on any device; the timesteps that steps and jumps name lie on the host, so that no step waits
    for the device to learn where it is.

    Attributes:
        first: The grid step with which the loop begins: above 0 with a strength below 1.
    """

    def __init__(self, scheduler: SchedulerMixin) -> None:
        self._scheduler = scheduler
        self._stock = stock_class(type(scheduler))
        self.grid = torch.empty(0)
        self.first = 0
        self._arguments: dict[int | None, Arguments] = {None: {}}
        self._found: tuple[Arguments, LinearGrid] | None = None

    @property
    def grid(self) -> Tensor:
        """The timesteps of the full grid, on the device where the pipeline has them."""
        return self._grid

    @grid.setter
    def grid(self, timesteps: Tensor) -> None:
        self._grid, self._host_grid = timesteps, timesteps.cpu()

    def note(self, step: int, arguments: Arguments) -> None:
        """Notes what the pipeline hands to the scheduler's `step` beside the three tensors."""
        self._arguments[step] = self._arguments[None] = arguments

    @property
    def noted(self) -> Mapping[int, Arguments]:
        """What was noted, by step."""
        return {step: given for step, given in self._arguments.items() if step is not None}

    def fine(self, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        """Takes the stock step, history and all."""
        if hasattr(self._scheduler, "_step_index"):
            self._scheduler._step_index = self.first + step
        return self._step(self._scheduler, latent, drift, step)

    def jump(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        """Takes one first-order stock step on a scratch copy."""
        scratch = copy.copy(self._scheduler)
        scratch.__class__ = self._stock
        if self._stock.__name__ in DDIM_FAMILY:
            self._stride(scratch, self.first + start, self.first + stop)
        else:
            self._two_sigmas(scratch, self.first + start, self.first + stop)
        return self._step(scratch, latent, drift, start)

    def probe(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        """Takes a jump of numbers, latents and drifts of shape (batch,), each a sample of its own.

        Where a pipeline names a timestep for every token, all of them get the step's own.
        """
        told = self._arguments[None]
        shape: tuple[int, ...] = (-1, 1, 1, 1)
        if told.get(BY_TOKEN) is not None:  # of latents (batch, tokens, channels)
            shape = (-1, 1, 1)
            moment = self._host_grid[self.first + start]
            told = told | {BY_TOKEN: moment.expand(len(latent), 1)}
        kept, self._arguments = self._arguments, {None: told}
        made = self.jump(latent.reshape(shape), drift.reshape(shape), start, stop).flatten()
        self._arguments = kept
        return made

    def settle(self, stop: int, *, jumped: bool, rectified: bool) -> None:
        """Tells the scheduler where it stands; drops what no longer belongs to its neighbours.

        A multistep history is indexed by grid neighbours, so a jump empties it. After a
        rectification UniPC's corrector would recompute the latent from the one before and lose
        the correction, so that one is forgotten.
        """
        if hasattr(self._scheduler, "_step_index"):
            self._scheduler._step_index = self.first + stop
        if jumped:
            empty_history(self._scheduler)
        if rectified and hasattr(self._scheduler, "last_sample"):
            self._scheduler.last_sample = None

    def clock(self) -> tuple[float, ...]:
        """Returns sigma at every step; the timestep where the scheduler has no sigmas."""
        named = self._stock.__name__ in DDIM_FAMILY
        moments = self._host_grid if named else self._scheduler.sigmas[:-1].cpu()
        return tuple(moments[self.first :].tolist())

    def linear_grid(self) -> LinearGrid:
        """Finds the factors of the fine steps, of as many predictions as the scheduler uses.

        They are found once, unless the pipeline has handed arguments to its steps since.
        """
        arguments = self._arguments[None]
        if self._found is not None:
            before, grid = self._found
            if arguments is before or not (arguments or before):
                return grid
        self._found = arguments, self._find_grid(arguments)
        return self._found[1]

    def _find_grid(self, told: Arguments) -> LinearGrid:
        host, name = self._on_host(told), self._stock.__name__
        if hasattr(host._scheduler, "model_outputs"):
            remembering = copy.copy(host._scheduler)
            remembering.__class__ = self._stock
            empty_history(remembering)
            timesteps = self._host_grid[self.first :]
            found = multistep_grid(remembering, timesteps, self.clock(), told, self.first)
            if found is not None:
                return found
        grid = linear_grid(host.probe, name, self.clock())
        return replace(grid, exact=getattr(host._scheduler.config, "solver_order", 1) == 1)

    def _on_host(self, told: Arguments) -> "StockSolver":
        """Returns the same steps with everything on the host, where a number costs no kernel."""
        scheduler = copy.copy(self._scheduler)
        for name, value in vars(scheduler).items():
            if isinstance(value, Tensor):
                setattr(scheduler, name, value.cpu())
        solver = StockSolver(scheduler)
        scheduler.timesteps = solver.grid = self._host_grid  # not the one that a pipeline sees
        solver.first, solver._arguments = self.first, {None: told}
        return solver

    def _step(self, scheduler: SchedulerMixin, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        timestep = self._host_grid[self.first + step]
        arguments = self._arguments.get(step, self._arguments[None])
        return self._stock.step(scheduler, drift, timestep, latent, return_dict=False, **arguments)[
            0
        ]

    def _two_sigmas(self, scratch: SchedulerMixin, start: int, stop: int) -> None:
        scratch.sigmas = torch.stack([scratch.sigmas[start], scratch.sigmas[stop]])
        scratch.timesteps = self._host_grid[start : start + 1]
        scratch.num_inference_steps = 1
        scratch._step_index = scratch._begin_index = 0
        empty_history(scratch)

    def _stride(self, scratch: SchedulerMixin, start: int, stop: int) -> None:
        # the stock step from the grid step before `stop` ends one stride below its timestep
        stride = scratch.config.num_train_timesteps // scratch.num_inference_steps
        target = int(self._host_grid[stop - 1]) - stride
        scratch.num_inference_steps = _Stride(int(self._host_grid[start]) - target)


def linear_grid(jump: Jump, name: str, clock: Sequence[float]) -> LinearGrid:
    """Finds the factors of every fine step, and of the step from there to the end of the grid.

    Args:
        jump: The scheduler's step, for numbers on the host, shape (batch,).
        name: The scheduler's class.
        clock: Where drifts are interpolated, one number for each of the T steps.

    Raises:
        UsageError: The steps are not linear, or not finite.
    """
    steps = len(clock)
    fine, end = [], []
    for step in range(steps):
        kept, pulled, *found = _jumps(jump, step, step + 1)
        if not (math.isfinite(kept) and math.isfinite(pulled)):
            raise UsageError(
                f"step {step} of {name} multiplies latents by {kept:g} and predictions by "
                f"{pulled:g}",
                "check prediction_type and the betas in the scheduler of the preset",
            )
        for (latent, drift), made in zip(_PROBES[2:], found, strict=True):
            expected = kept * latent + pulled * drift
            if not math.isclose(made, expected, rel_tol=1e-4, abs_tol=1e-4):
                raise UsageError(
                    f"{name} takes no linear steps: step {step} makes {made:g} where its factors "
                    f"say {expected:g}, as clipping does",
                    "use {algo}, or turn clip_sample and thresholding off in the preset",
                    {"algo": "chords"},
                )
        fine.append((kept, pulled))
        end.append(tuple(_jumps(jump, step, steps)[:2]))
    (keep, pull), (end_keep, end_pull) = zip(*fine, strict=True), zip(*end, strict=True)
    return LinearGrid.first_order(keep, pull, end_keep, end_pull, clock)


class _Stride:
    """Stands for `num_inference_steps` in DDIM's `num_train_timesteps // num_inference_steps`."""

    def __init__(self, stride: int) -> None:
        self._stride = stride

    def __rfloordiv__(self, _: int) -> int:
        return self._stride


def _jumps(jump: Jump, start: int, stop: int) -> list[float]:
    """Returns where one first-order step takes the probes, each a sample of one batch."""
    latents, drifts = torch.tensor(_PROBES).unbind(1)
    made: list[float] = jump(latents, drifts, start, stop).tolist()
    return made
