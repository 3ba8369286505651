"""A chain drives a loop that begins late in its grid, and sees what it does to latents."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from chords_cli.errors import UsageError
from chords_cli.pipelines.chain import Chain, following
from chords_cli.pipelines.solver import StockSolver

STEPS = 6

After = Callable[[Tensor, torch.Generator], Tensor]


def keep(latent: Tensor, noise: torch.Generator) -> Tensor:
    return latent


class Pipe:
    """As much of a pipeline as a chain drives: a loop over the end of a grid."""

    def __init__(self, first: int, after: After = keep) -> None:
        self.scheduler = FlowMatchEulerDiscreteScheduler()
        self._first, self._after = first, after
        self.numbers: list[int] = []
        self.timesteps: list[float] = []
        self.ends: list[tuple[float | None, float | None]] = []

    def __call__(self, noise: torch.Generator) -> Tensor:
        latent = torch.randn(1, 4, generator=noise)
        self.scheduler.set_timesteps(STEPS)
        timesteps = self.scheduler.timesteps[self._first :]
        for number, timestep in enumerate(timesteps):
            self.numbers.append(number)
            self.timesteps.append(float(timestep))
            last = number == len(timesteps) - 1
            told = None if last else float(timesteps[number + 1])
            stepped = self.scheduler.step(latent, timestep, latent, return_dict=False)
            latent = self._after(stepped[0], noise)
            self.ends.append((told, None if last else float(timesteps[number + 1])))
        return latent


class Halving:
    """A driver that halves the latent at every step."""

    stopped = False

    def begin(self, solver: StockSolver) -> None:
        self.first = solver.first

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        return latent / 2


def driven(pipe: Pipe, walk: tuple[int, ...], steps: int) -> tuple[Chain, Halving]:
    noise, driver = torch.Generator().manual_seed(0), Halving()
    chain: Any = Chain(pipe, walk, steps, driver, noise)
    with following(pipe, chain):
        pipe(noise)
    return chain, driver


def grid() -> list[float]:
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(STEPS)
    return scheduler.timesteps.tolist()


@pytest.mark.parametrize(
    ("first", "walk"), [(0, (0, 1, 2, 3, 4, 5)), (0, (0, 3, 5)), (2, (0, 2, 3)), (5, (0,))]
)
def test_a_walk_counts_from_where_the_loop_begins(first: int, walk: tuple[int, ...]) -> None:
    pipe = Pipe(first)
    chain, driver = driven(pipe, walk, STEPS - first)
    assert driver.first == chain.solver.first == first
    assert pipe.numbers == [*walk]
    assert pipe.timesteps == [grid()[first + step] for step in walk]


@pytest.mark.parametrize("steps", [1, 3, 5, 6])
def test_a_loop_of_another_length_than_the_plan_is_refused(steps: int) -> None:
    pipe = Pipe(2)
    with pytest.raises(UsageError, match=rf"(?m)^Pipe takes 4 of 6 steps, the plan has {steps}$"):
        driven(pipe, (0,), steps)
    assert pipe.numbers == []


@pytest.mark.parametrize(
    ("walk", "stops"), [((0, 2, 3), (2, 3, 4)), ((0, 1, 4), (1, 4, None)), ((0,), (4,))]
)
def test_the_end_of_a_step_is_the_next_one_of_the_core_before_and_after_it_is_taken(
    walk: tuple[int, ...], stops: tuple[int | None, ...]
) -> None:
    pipe = Pipe(1)
    driven(pipe, walk, STEPS - 1)
    ends = [None if stop is None else grid()[1 + stop] for stop in stops]
    assert pipe.ends == [(end, end) for end in ends]


def put_back(latent: Tensor, noise: torch.Generator) -> Tensor:
    latent[:, 0] = 1.0  # in place, as some do
    return latent


@pytest.mark.parametrize(("after", "alters"), [(keep, False), (put_back, True)])
def test_a_loop_that_changes_latents_after_its_steps_is_seen(after: After, alters: bool) -> None:
    chain, _ = driven(Pipe(0, after), (0, 2), STEPS)
    assert chain.alters is alters


def test_one_step_does_not_tell_whether_a_loop_changes_latents() -> None:
    chain, _ = driven(Pipe(0, put_back), (0,), STEPS)
    assert chain.alters is None


def test_a_loop_that_draws_noise_is_refused_at_its_second_step() -> None:
    pipe = Pipe(0, lambda latent, noise: latent + torch.randn(1, 4, generator=noise))
    with pytest.raises(UsageError, match=r"(?m)^Pipe draws noise in its loop$") as caught:
        driven(pipe, (0, 1, 2), STEPS)
    assert "image_cond_noise_scale: 0" in caught.value.hint
    assert pipe.numbers == [0, 1]
