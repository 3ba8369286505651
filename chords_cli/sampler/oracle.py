"""The oracle: all cores of a plan in one process, one round after the other.

It runs the very objects that the workers run, so a run of K processes must equal it bit for bit.
What it leaves out is what it is there to check: processes, exchange, pipelines and schedulers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from chords_cli.sampler.algorithms import start_core
from chords_cli.sampler.core import Move, Solver, widened
from chords_cli.sampler.fills import LinearGrid
from chords_cli.sampler.plan import Plan


@dataclass(frozen=True, slots=True)
class Output:
    """A latent that reached the end of the grid.

    Attributes:
        index: 0 for the coarse shot of the fastest core, then 1, 2, ... in order of arrival.
        core: The core that made it.
        round: How many rounds were over: the output's latency.
        latent: The latent at step T.
    """

    index: int
    core: int
    round: int
    latent: Tensor


class Euler:
    """Euler's method in sigma: x + (sigma_stop - sigma_start) * v."""

    def __init__(self, sigmas: Sequence[float] | Tensor) -> None:
        self._sigmas = sigmas

    def fine(self, latent: Tensor, drift: Tensor, step: int) -> Tensor:
        return self.jump(latent, drift, step, step + 1)

    def jump(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        move = (self._sigmas[stop] - self._sigmas[start]) * widened(drift)
        return (widened(latent) + move).to(latent.dtype)

    def settle(self, stop: int, *, jumped: bool, rectified: bool) -> None:
        """Euler's method has no history."""

    def clock(self) -> tuple[float, ...]:
        return tuple(float(sigma) for sigma in self._sigmas[:-1])

    def linear_grid(self) -> LinearGrid:
        sigmas = [float(sigma) for sigma in self._sigmas]
        pull = [after - before for before, after in pairwise(sigmas)]
        end_pull = [sigmas[-1] - sigma for sigma in sigmas[:-1]]
        ones = [1.0] * len(pull)
        return LinearGrid.first_order(ones, pull, ones, end_pull, self.clock())


def simulate(
    plan: Plan,
    drift: Callable[[Tensor, int], Tensor | tuple[Tensor, Tensor]],
    latent: Tensor,
    sigmas: Sequence[float] | Tensor,
    *,
    dtype: torch.dtype | None = None,
    solver: Callable[[int], Solver] | None = None,
    carry: Callable[[Tensor], Tensor] | None = None,
    on_move: Callable[[int, int, Move], None] | None = None,
) -> list[Output]:
    """Runs every core of `plan` in lockstep and returns the outputs in order.

    Args:
        plan: Any plan of any algorithm.
        drift: dx/dsigma at (latent, grid step), guidance included; the latent's shape. Where a
            loop changes latents between steps, both: the latent as it was seen, and its drift.
        latent: The noise at step 0, of at least two dimensions, the first one that of samples.
        sigmas: The T + 1 noise levels of the grid.
        dtype: What latents are carried in; the dtype of `latent` when None.
        solver: Makes the solver of a core, for grids that Euler in sigma does not describe.
        carry: What happens to a latent between two steps, such as a pipeline's cast.
        on_move: Gets core, round and move, one after the other.

    Raises:
        ValueError: `sigmas` does not have T + 1 values.
    """
    if len(sigmas) != plan.steps + 1:
        raise ValueError(f"{plan.steps} steps take {plan.steps + 1} sigmas, not {len(sigmas)}")
    start = latent if dtype is None else latent.to(dtype)
    links = [_MemoryLink() for _ in range(plan.cores + 1)]
    cores = [
        start_core(plan, k, solver(k) if solver else Euler(sigmas), _Ends(links[k], links[k + 1]))
        for k in range(plan.cores)
    ]
    latents, outputs = [start] * plan.cores, {}
    for round in range(max(plan.evaluations)):
        for core in range(plan.cores):
            if round >= plan.evaluations[core]:
                continue
            step, here = plan.walks[core][round], latents[core]
            found = drift(here, step)
            here, here_drift = found if isinstance(found, tuple) else (here, found)
            move = cores[core].advance(here, here_drift if dtype is None else here_drift.to(dtype))
            latents[core] = carry(move.latent) if carry else move.latent
            if on_move:
                on_move(core, round, move)
            for hit in plan.hits:
                if (hit.core, hit.round) == (core, round + 1):
                    made = move.preview if hit.index == 0 else latents[core]
                    assert made is not None, "a core makes its preview in the round of hit 0"
                    outputs[hit.index] = Output(hit.index, core, hit.round, made)
    return [outputs[index] for index in sorted(outputs)]


class _MemoryLink:
    """A latent on its way between two cores of one process."""

    def __init__(self) -> None:
        self.carried: dict[int, Tensor] = {}


class _Ends:
    """A core's two ends: it receives from the slower neighbour and sends to the faster one."""

    def __init__(self, slower: _MemoryLink, faster: _MemoryLink) -> None:
        self._slower, self._faster = slower, faster

    def send(self, round: int, latent: Tensor) -> None:
        self._faster.carried[round] = latent

    def receive(self, round: int, like: Tensor) -> Tensor:
        return self._slower.carried.pop(round).to(like.device)
