"""What makes a pipeline call a core: its scheduler's class, swapped in place.

The pipeline's `__call__` is untouched. It asks its scheduler for the grid, loops over the
timesteps and hands every drift to `step`; a chain answers all three. The full T-step grid stays
visible, because pipelines read indices, sigmas and counts from it. What is shortened is the loop.
Every loop of diffusers numbers its timesteps with `enumerate`; while a pipeline follows a chain,
this yields of the grid only the steps that are the core's, with their numbers in the full loop.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from torch import Tensor

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.grid import Grid
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.pipelines.loops import check_loop
from chords_cli.pipelines.rules import check_step_arguments
from chords_cli.pipelines.solver import StockSolver, stock_class


class Driver(Protocol):
    """Moves a core's latent along its walk, one call of `advance` a step."""

    @property
    def stopped(self) -> bool:
        """Whether the core is no longer needed; its loop then ends with the current step."""
        ...

    def begin(self, solver: StockSolver) -> None:
        """Prepares for a loop that is about to begin; `solver` takes the scheduler's own steps."""
        ...

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        """Returns the latent at the core's next step, from latent and drift at its current one."""
        ...


_ALONE = "run this pipeline with diffusers alone"


class Chain:
    """One core's way through one pipeline call.

    Args:
        pipe: The pipeline whose loop is driven.
        walk: The steps to visit, increasing, numbered from where the loop begins.
        steps: T; the pipeline must loop over so many steps, the last ones of its grid.
        driver: Moves the latent.
        noise: What the pipeline draws its noise from.

    Attributes:
        solver: The scheduler's own steps.
        began: The latent at the first step of the walk.
        carried: What the loop carries its latent in; some compute a step in a wider type.
    """

    def __init__(
        self,
        pipe: DiffusionPipeline,
        walk: Sequence[int],
        steps: int,
        driver: Driver,
        noise: torch.Generator | None = None,
    ) -> None:
        self.solver = StockSolver(pipe.scheduler)
        self.began: Tensor | None = None
        self.carried: torch.dtype | None = None
        self._reached: Tensor | None = None
        self._name, self._walk, self._steps = type(pipe).__name__, tuple(walk), steps
        self._driver, self._noise = driver, noise
        self._step: int | None = None
        self._visited = 0
        self._drawn: Tensor | None = None
        self._handed: Tensor | None = None
        self._taken: Tensor | None = None

    @property
    def reached(self) -> Tensor | None:
        """The latent that the loop ends with; None after a walk without steps."""
        return None if self._reached is None else self._reached.to(self.carried)

    @property
    def alters(self) -> bool | None:
        """Whether the loop changes a latent after its step, as inpainting does.

        None before a second step has told.
        """
        if self._handed is None or self._taken is None:
            return None
        return not torch.equal(self._handed.to(self._taken), self._taken)

    def check_walked(self) -> None:
        """Refuses a loop that has ended before its walk, unless the driver stopped it."""
        if self._visited < len(self._walk) and not self._driver.stopped:
            raise ChordsError(
                f"{self._name} left its loop at step {self._walk[self._visited]} of {self._steps}",
                f"remove what ends it from the preset's call, or {_ALONE}",
            )

    def expose(self, grid: Tensor) -> Tensor:
        """Returns the pipeline's timesteps, once the scheduler has made the full grid."""
        self._check_once()
        self.solver.grid, self._step = grid, None
        return Grid.of(grid, self, 0)

    def visit(self, timesteps: Tensor, offset: int, first: int) -> Iterator[tuple[int, Tensor]]:
        """Yields the core's steps of a loop, each as its number and its timestep.

        Args:
            timesteps: Of the loop.
            offset: The grid step with which the loop begins.
            first: Its number.
        """
        self._check_once()
        if len(timesteps) != self._steps:
            raise UsageError(
                f"{self._name} takes {len(timesteps)} of {len(self.solver.grid)} steps, the plan "
                f"has {self._steps}",
                "remove from the preset's call what changes them: timesteps, sigmas, denoising_end",
            )
        self.solver.first = offset
        self._driver.begin(self.solver)  # only now: some encode pictures when they have their grid
        for taken, step in enumerate(self._walk, 1):
            self._step = step
            yield first + step, timesteps[step]
            if self._driver.stopped or self._visited != taken:
                break
        self._step = None

    def following(self, index: int) -> int:
        """Returns the grid step that a pipeline means which asks for the grid step `index`.

        The one after its step is the end of this step to it, and that is the core's next one.
        """
        if self._step is None or index != self.solver.first + self._step + 1:
            return index
        later = next((step for step in self._walk if step > self._step), self._steps - 1)
        return self.solver.first + later

    def locate(self) -> int:
        """Returns the step for which the pipeline has just evaluated the drift."""
        if self._step is None:
            raise UsageError(f"{self._name} takes a step outside of its loop", _ALONE)
        return self._step

    def move(self, latent: Tensor, drift: Tensor, arguments: Arguments) -> Tensor:
        """Returns the latent at the core's next step."""
        check_step_arguments(arguments)
        if self.locate() not in self._walk[self._visited : self._visited + 1]:
            raise UsageError(f"{self._name} takes step {self._step} twice", _ALONE)
        self.solver.note(self._walk[self._visited], arguments)
        if self._visited == 0:
            self.began = latent
        elif self._visited == 1:
            self._taken = latent
            self._check_noise()
        self.carried = latent.dtype
        self._reached = self._driver.advance(latent, drift)
        if self._visited == 0:
            self._handed = self._reached.clone()  # some change it in place
            self._drawn = self._noise.get_state() if self._noise else None
        self._visited += 1
        return self._reached

    def _check_noise(self) -> None:
        """Refuses a loop that draws noise: cores that leave out steps would draw other noise."""
        if self._noise is None or self._drawn is None:
            return
        if not torch.equal(self._noise.get_state(), self._drawn):
            raise UsageError(
                f"{self._name} draws noise in its loop",
                f"turn that off in the preset's call, as by image_cond_noise_scale: 0, or {_ALONE}",
            )

    def _check_once(self) -> None:
        """Refuses a second loop: a plan has one."""
        if self._visited:
            raise UsageError(f"{self._name} begins a second loop in one call", _ALONE)


class ChainScheduler:
    """Mixed in before a stock scheduler class by `chain_class`; follows the `Chain` it is given."""

    _chain: Chain
    timesteps: Tensor

    def _make_grid(self, stock: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        stock(self, *args, **kwargs)
        self.timesteps = self._chain.expose(self.timesteps)

    def _take_step(
        self,
        stock: Callable[..., Any],
        model_output: Tensor,
        timestep: Tensor,
        sample: Tensor,
        *args: Any,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> Any:
        arguments = dict(zip(_further_parameters(stock), args, strict=False)) | kwargs
        with self._stock_grid():
            latent = self._chain.move(sample, model_output, arguments)
        return SchedulerOutput(prev_sample=latent) if return_dict else (latent, None)

    def _scale_input(
        self, stock: Callable[..., Tensor], sample: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        with self._stock_grid():
            return stock(self, sample, *args, **kwargs)

    @contextmanager
    def _stock_grid(self) -> Iterator[None]:
        """Shows stock methods the full grid and the step index that they would have reached."""
        shown, self.timesteps = self.timesteps, self._chain.solver.grid
        if hasattr(self, "_step_index"):
            self._step_index = self._chain.solver.first + self._chain.locate()
        try:
            yield
        finally:
            self.timesteps = shown


@functools.cache
def _further_parameters(step: Callable[..., Any]) -> tuple[str, ...]:
    """Names what a scheduler's `step` takes after self, drift, timestep and latent."""
    return tuple(inspect.signature(step).parameters)[4:]


_ANSWERS = {
    "set_timesteps": "_make_grid",
    "step": "_take_step",
    "scale_model_input": "_scale_input",
}


@functools.cache
def chain_class(stock: type[SchedulerMixin]) -> type[SchedulerMixin]:
    """Makes the subclass of a stock scheduler class that follows a chain, with its signatures."""

    def answered(name: str, answer: str) -> Callable[..., Any]:
        method = getattr(stock, name)

        @functools.wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(self, answer)(method, *args, **kwargs)

        return call

    methods = {
        name: answered(name, answer) for name, answer in _ANSWERS.items() if hasattr(stock, name)
    }
    return type(f"Chain{stock.__name__}", (ChainScheduler, stock), methods)


@contextmanager
def following(pipe: DiffusionPipeline, chain: Chain) -> Iterator[None]:
    """Has the pipeline follow `chain` inside the block and makes it stock again after it."""
    scheduler = pipe.scheduler
    stock: type = stock_class(type(scheduler))
    names = inspect.unwrap(type(pipe).__call__).__globals__
    scheduler.__class__ = chain_class(stock)
    scheduler._chain = chain
    names["enumerate"] = _enumerate
    try:
        yield
    finally:
        del names["enumerate"]
        scheduler.__class__ = stock
        del scheduler._chain
        if len(chain.solver.grid):
            scheduler.timesteps = chain.solver.grid


def _enumerate(items: Iterable[Any], start: int = 0) -> Iterator[tuple[int, Any]]:
    """Stands for the builtin where a pipeline is defined: it knows a chain's grid."""
    looped = getattr(items, "iterable", items)  # what a progress bar shows the progress of
    return looped.numbered(start) if isinstance(looped, Grid) else enumerate(items, start)


def check_pipeline(cls: type[DiffusionPipeline]) -> None:
    """Refuses pipelines whose call is not one loop that moves one latent (see `check_loop`)."""
    code = getattr(inspect.unwrap(cls.__call__), "__code__", None)
    check_loop(
        cls.__name__,
        named=code.co_names if code else (),
        arguments=inspect.signature(cls.__call__).parameters,
        components=inspect.signature(cls.__init__).parameters,
    )
