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
        walk: The grid steps to visit, increasing.
        steps: T; the pipeline must make a grid of that many steps.
        driver: Moves the latent.

    Attributes:
        solver: The scheduler's own steps.
        began: The latent at the first step of the walk.
        carried: What the loop carries its latent in; some compute a step in a wider type.
    """

    def __init__(
        self, pipe: DiffusionPipeline, walk: Sequence[int], steps: int, driver: Driver
    ) -> None:
        self.solver = StockSolver(pipe.scheduler)
        self.began: Tensor | None = None
        self.carried: torch.dtype | None = None
        self._reached: Tensor | None = None
        self._name, self._walk, self._steps = type(pipe).__name__, tuple(walk), steps
        self._driver = driver
        self._step: int | None = None
        self._visited = 0

    @property
    def reached(self) -> Tensor | None:
        """The latent that the loop ends with; None after a walk without steps."""
        return None if self._reached is None else self._reached.to(self.carried)

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
        if len(grid) != self._steps:
            raise UsageError(
                f"{self._name} makes a grid of {len(grid)} steps, the plan has {self._steps}",
                "use a pipeline call without custom timesteps, strength or sigmas",
            )
        self.solver.grid, self._step = grid, None
        self._driver.begin(self.solver)
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
                f"{self._name} takes only steps {offset} to {offset + len(timesteps) - 1} of the "
                f"plan's {self._steps}",
                "remove from the preset's call what leaves steps out, such as denoising_end",
            )
        for taken, step in enumerate(self._walk, 1):
            self._step = step
            yield first + step, timesteps[step]
            if self._driver.stopped or self._visited != taken:
                break
        self._step = None

    def locate(self) -> int:
        """Returns the grid step for which the pipeline has just evaluated the drift."""
        if self._step is None:
            raise UsageError(f"{self._name} takes a step outside of its loop", _ALONE)
        return self._step

    def move(self, latent: Tensor, drift: Tensor, arguments: Arguments) -> Tensor:
        """Returns the latent at the core's next step."""
        check_step_arguments(arguments)
        if self.locate() not in self._walk[self._visited : self._visited + 1]:
            raise UsageError(f"{self._name} takes step {self._step} twice", _ALONE)
        self.solver.arguments = arguments
        if self._visited == 0:
            self.began = latent
        self.carried = latent.dtype
        self._reached = self._driver.advance(latent, drift)
        self._visited += 1
        return self._reached

    def _check_once(self) -> None:
        """Refuses a second loop: a plan has one."""
        if self._visited:
            raise UsageError(f"{self._name} begins a second loop in one call", _ALONE)


class Grid(Tensor):
    """The full grid of timesteps, which a chain numbers; every operation gives plain tensors."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    _chain: Chain
    _offset: int

    @classmethod
    def of(cls, timesteps: Tensor, chain: Chain, offset: int) -> "Grid":
        grid = timesteps.as_subclass(cls)
        grid._chain, grid._offset = chain, offset
        return grid

    def plain(self) -> Tensor:
        return self.as_subclass(Tensor)

    def numbered(self, first: int) -> Iterator[tuple[int, Tensor]]:
        return self._chain.visit(self.plain(), self._offset, first)

    def __getitem__(self, index: Any) -> Tensor:
        picked = self.plain()[index]
        if isinstance(index, slice):
            first, _, stride = index.indices(len(self))
            assert stride == 1, "pipelines cut their grid only at its ends"
            return Grid.of(picked, self._chain, self._offset + first)
        return picked

    def to(self, *args: Any, **kwargs: Any) -> "Grid":
        return Grid.of(self.plain().to(*args, **kwargs), self._chain, self._offset)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.plain().clone()


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
            self._step_index = self._chain.locate()
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
