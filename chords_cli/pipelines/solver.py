"""How schedulers jump along a chain, and what is refused.

A coarse jump is the scheduler's own step on a scratch copy that sees only two noise levels, so
every prediction type and every grid is converted by the code that owns it. Measured against the
closed forms in float64 the jumps are right to 4e-7 (flow, Euler, DDIM v) and 1.1e-6 (DPM++, eps).
"""

import copy
from typing import Any

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from chords_cli.pipelines.linear import linear_grid
from chords_cli.pipelines.rules import DDIM_FAMILY, check_shareable
from chords_cli.sampler.wavefront import LinearGrid


def check_scheduler(scheduler: SchedulerMixin) -> None:
    """Refuses a scheduler whose steps several cores cannot share (see `check_shareable`)."""
    name = stock_class(type(scheduler)).__name__
    check_shareable(name, order=getattr(scheduler, "order", 1), config=scheduler.config)


def stock_class(cls: type[SchedulerMixin]) -> type[SchedulerMixin]:
    """The diffusers class behind a scheduler class that may be one of ours."""
    return next(base for base in cls.__mro__ if base.__module__.startswith("diffusers."))


class StockSolver:
    """`sampler.Solver` made of a scheduler's own steps on the pipeline's own grid.

    `grid` are the T timesteps of the full grid, set when the pipeline has made them; `arguments`
    what the pipeline hands to `step` beside the three tensors. Latents and drifts lie on any
    device; the timesteps that steps and jumps name lie on the host, so that no step waits for the
    device to learn where it is.
    """

    def __init__(self, scheduler: SchedulerMixin) -> None:
        self._scheduler = scheduler
        self._stock = stock_class(type(scheduler))
        self.grid = torch.empty(0)
        self.arguments: dict[str, Any] = {}

    @property
    def grid(self) -> Tensor:
        """The timesteps of the full grid, shape (T,), on the device where the pipeline has them."""
        return self._grid

    @grid.setter
    def grid(self, timesteps: Tensor) -> None:
        self._grid, self._host_grid = timesteps, timesteps.cpu()

    def fine(self, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        """The stock step, history and all."""
        if hasattr(self._scheduler, "_step_index"):
            self._scheduler._step_index = step
        return self._step(self._scheduler, latent, drift, step)

    def jump(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        """One first-order stock step on a scratch copy."""
        scratch = copy.copy(self._scheduler)
        scratch.__class__ = self._stock
        if self._stock.__name__ in DDIM_FAMILY:
            self._stride(scratch, start, stop)
        else:
            self._two_sigmas(scratch, start, stop)
        return self._step(scratch, latent, drift, start)

    def settle(self, stop: int, *, jumped: bool, rectified: bool) -> None:
        """Tells the scheduler where it stands; drops what no longer belongs to its neighbours.

        A multistep history is indexed by grid neighbours, so a jump empties it. After a
        rectification UniPC's corrector would recompute the latent from the one before and lose
        the correction, so that one is forgotten.
        """
        if hasattr(self._scheduler, "_step_index"):
            self._scheduler._step_index = stop
        if jumped:
            _empty_history(self._scheduler)
        if (jumped or rectified) and hasattr(self._scheduler, "last_sample"):
            self._scheduler.last_sample = None

    def linear_grid(self) -> LinearGrid:
        """The factors of the fine steps; drifts are interpolated in sigma where there is one."""
        name, host = self._stock.__name__, self._on_host()
        clock = host.grid if name in DDIM_FAMILY else host._scheduler.sigmas[:-1]
        return linear_grid(host.jump, name, clock.tolist())

    def _on_host(self) -> "StockSolver":
        """The same steps with everything on the host, where a number costs no device a kernel."""
        scheduler = copy.copy(self._scheduler)
        for name, value in vars(scheduler).items():
            if isinstance(value, Tensor):
                setattr(scheduler, name, value.cpu())
        solver = StockSolver(scheduler)
        solver.grid, solver.arguments = self._host_grid, self.arguments
        return solver

    def _step(self, scheduler: SchedulerMixin, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        timestep = self._host_grid[step]
        return self._stock.step(
            scheduler, drift, timestep, latent, return_dict=False, **self.arguments
        )[0]

    def _two_sigmas(self, scratch: SchedulerMixin, start: int, stop: int) -> None:
        scratch.sigmas = torch.stack([scratch.sigmas[start], scratch.sigmas[stop]])
        scratch.timesteps = self._host_grid[start : start + 1]
        scratch.num_inference_steps = 1
        scratch._step_index = scratch._begin_index = 0
        _empty_history(scratch)
        if hasattr(scratch, "last_sample"):
            scratch.last_sample = None

    def _stride(self, scratch: SchedulerMixin, start: int, stop: int) -> None:
        # the stock step from the grid step before `stop` ends one stride below its timestep
        stride = scratch.config.num_train_timesteps // scratch.num_inference_steps
        target = int(self._host_grid[stop - 1]) - stride
        scratch.num_inference_steps = _Stride(int(self._host_grid[start]) - target)


class _Stride:
    """Stands for `num_inference_steps` in DDIM's `num_train_timesteps // num_inference_steps`."""

    def __init__(self, stride: int) -> None:
        self._stride = stride

    def __rfloordiv__(self, _: int) -> int:
        return self._stride


def _empty_history(scheduler: SchedulerMixin) -> None:
    if not hasattr(scheduler, "model_outputs"):
        return
    scheduler.model_outputs = [None] * len(scheduler.model_outputs)
    scheduler.lower_order_nums = 0
    if hasattr(scheduler, "timestep_list"):
        scheduler.timestep_list = [None] * len(scheduler.timestep_list)
