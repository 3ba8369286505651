"""What others do with K devices, simulated: ParaDiGMS and SRDS, in rounds.

Written from the papers for samplers of the form x_{i+1} = x_i + h_i v(x_i, i). A round is one
model evaluation on each of K cores at the same time, as everywhere in this project: a baseline
gets neither free evaluations nor more devices than the algorithms it is compared with. Both are
treated kindly where a paper leaves a choice: exchanging latents is free, and an evaluation that
two parts of an algorithm need is made once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor


class Ode(Protocol):
    """The ODE of several samples on one grid."""

    sigmas: Sequence[float]
    """T + 1 noise levels."""

    noise: Tensor
    """The latents at step 0: one row a sample."""

    def evaluate(self, latents: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
        """The drift of latent n, which is sample `rows[n]`'s, at the grid step `steps[n]`."""
        ...


@dataclass(frozen=True)
class Sampled:
    """The latents at step T, and per sample how long they took.

    Attributes:
        latents: One row a sample.
        rounds: Latency in rounds, one number a sample.
        nfe: Model evaluations of all cores, one number a sample.
    """

    latents: Tensor
    rounds: list[int]
    nfe: list[int]


def paradigms(ode: Ode, cores: int, tolerance: float) -> Sampled:
    """ParaDiGMS: Picard iteration over a sliding window (Shih et al. 2023, Algorithm 1).

    The window holds as many steps as there are cores; a round evaluates all of it at once:

        x_{t+j+1} <- x_t + sum_{i <= j} h_{t+i} v(x_{t+i}, t+i)        j = 0 .. K - 1

    and the window moves to the first step that moved by more than `tolerance`; steps that enter it
    begin with the last latent of the old window. Every sample has its own window.

    Args:
        ode: What to solve.
        cores: K, the length of the window.
        tolerance: RMS per element of a latent. The paper scales it by the noise that a step of an
            SDE adds; a flow has none.
    """
    pulls = _pulls(ode)
    steps, samples = len(pulls), len(ode.noise)
    path = ode.noise.unsqueeze(1).repeat_interleave(steps + 1, dim=1)
    begin, rounds, nfe = [0] * samples, [0] * samples, [0] * samples
    while open_ := [row for row in range(samples) if begin[row] < steps]:
        windows = {row: range(begin[row], min(begin[row] + cores, steps)) for row in open_}
        rows = torch.tensor([row for row in open_ for _ in windows[row]])
        asked = torch.tensor([step for row in open_ for step in windows[row]])
        drifts = ode.evaluate(path[rows, asked], asked, rows)
        for row in open_:
            window = windows[row]
            first, last = window.start + 1, window.stop
            drift, drifts = drifts[: len(window)], drifts[len(window) :]
            moves = drift * _like(pulls[window.start : last], drift)
            guessed = path[row, window.start] + moves.cumsum(0)
            moved = (guessed - path[row, first : last + 1]).flatten(1).square().mean(1).sqrt()
            far = (moved > tolerance).nonzero().flatten()
            path[row, first : last + 1], path[row, last + 1 :] = guessed, guessed[-1]
            begin[row] += int(far[0]) + 1 if len(far) else len(window)
            rounds[row] += 1
            nfe[row] += len(window)
    return Sampled(path[:, -1], rounds, nfe)


def srds(ode: Ode, refinements: int) -> list[Tensor]:
    """SRDS: Parareal over blocks of about sqrt(T) steps (Selvam et al. 2024).

    The coarse solver G takes each of the about sqrt(T) blocks in one step, the fine solver F in
    all of its steps. With x_0 the noise and p refinements,

        x_{b+1}^{p+1} = F(x_b^p) + G(x_b^{p+1}) - G(x_b^p)

    where x_b^p no longer changes once p >= b. `srds_rounds` tells how long each result takes.

    Returns:
        The latents at step T after the coarse sweep and after each of `refinements`.
    """
    edges = block_edges(len(ode.sigmas) - 1)
    blocks = len(edges) - 1
    heads, drifts, coarse = [ode.noise], [], []
    for block in range(blocks):
        drifts.append(_evaluate_all(ode, heads[block], edges[block]))
        coarse.append(_jump(ode, heads[block], drifts[block], edges[block], edges[block + 1]))
        heads.append(coarse[block])
    results = [heads[-1]]
    for refinement in range(min(refinements, blocks)):
        fine = _fine(ode, heads[:-1], drifts, edges, refinement)
        heads[refinement + 1] = fine[refinement]
        for block in range(refinement + 1, blocks):
            drifts[block] = _evaluate_all(ode, heads[block], edges[block])
            again = _jump(ode, heads[block], drifts[block], edges[block], edges[block + 1])
            heads[block + 1] = fine[block] + again - coarse[block]
            coarse[block] = again
        results.append(heads[-1])
    return results


def srds_rounds(steps: int, cores: int, refinements: int) -> int:
    """Rounds until SRDS has its result of that many refinements, pipelined on `cores` cores.

    SRDS looks at every result to know whether to stop, so results are made in order: an evaluation
    runs as soon as what it reads is there and a core is free, those of the earliest result first,
    and among these the one with the longest way to the result. G and the first step of F share the
    evaluation at a block's edge. A block whose latent no longer changes is not solved again.
    """
    wanted = _srds_tasks(steps, refinements)
    waiting, done, rounds = _by_urgency(steps, refinements), set[Task](), 0
    while not wanted.keys() <= done:
        ready = [task for task in waiting if waiting[task] <= done][:cores]
        done.update(ready)
        waiting = {task: before for task, before in waiting.items() if task not in done}
        rounds += 1
    return rounds


def srds_nfe(steps: int, refinements: int) -> int:
    """Model evaluations of SRDS with that many refinements, earlier results included."""
    return len(_by_urgency(steps, refinements))


def block_edges(steps: int) -> list[int]:
    """0 .. T in about sqrt(T) blocks of about sqrt(T) steps."""
    blocks = max(1, round(math.sqrt(steps)))
    return [round(steps * block / blocks) for block in range(blocks + 1)]


Task = tuple[int, int, int]
"""An evaluation of SRDS: refinement p, block b, and which of the block's steps from x_b^p."""


def _srds_tasks(steps: int, refinements: int) -> dict[Task, set[Task]]:
    """Every evaluation that the result of `refinements` needs, with those that it reads."""
    edges = block_edges(steps)
    lengths = [stop - start for start, stop in pairwise(edges)]
    tasks: dict[Task, set[Task]] = {}

    def evaluation(p: int, block: int, step: int) -> Task:
        task = (min(p, block), block, step)
        if task not in tasks:
            before = {evaluation(p, block, step - 1)} if step else head(task[0], block)
            tasks[task] = before
        return task

    @cache
    def head(p: int, block: int) -> frozenset[Task]:
        """What x_block^p reads."""
        if block == 0:
            return frozenset()
        last = block - 1
        if p == 0:
            return frozenset({evaluation(0, last, 0)})
        fine = evaluation(p - 1, last, lengths[last] - 1)
        if last <= p - 1:  # x_last no longer changes, so both coarse steps are the same
            return frozenset({fine})
        return frozenset({fine, evaluation(p, last, 0)})

    head(refinements, len(lengths))
    return tasks


def _by_urgency(steps: int, refinements: int) -> dict[Task, set[Task]]:
    """The evaluations of all results up to that of `refinements`, the most urgent ones first."""
    ordered: dict[Task, set[Task]] = {}
    for p in range(refinements + 1):
        tasks = _srds_tasks(steps, p)
        heights = _heights(tasks)
        for task in sorted(tasks, key=lambda task: -heights[task]):
            ordered.setdefault(task, tasks[task])
    return ordered


def _heights(tasks: dict[Task, set[Task]]) -> dict[Task, int]:
    """How many rounds lie between the beginning of an evaluation and the result, at least."""
    readers: dict[Task, list[Task]] = {task: [] for task in tasks}
    for task, before in tasks.items():
        for read in before:
            readers[read].append(task)

    @cache
    def height(task: Task) -> int:
        return 1 + max((height(reader) for reader in readers[task]), default=0)

    return {task: height(task) for task in tasks}


def _fine(
    ode: Ode, heads: list[Tensor], drifts: list[Tensor], edges: list[int], first: int
) -> dict[int, Tensor]:
    """F of every block from `first` on, all blocks in one batch."""
    latents = {
        block: _jump(ode, heads[block], drifts[block], edges[block], edges[block] + 1)
        for block in range(first, len(heads))
    }
    samples, longest = len(ode.noise), max(b - a for a, b in pairwise(edges))
    for offset in range(1, longest):
        still = [block for block in latents if edges[block] + offset < edges[block + 1]]
        if not still:
            break
        steps = torch.tensor([edges[block] + offset for block in still]).repeat_interleave(samples)
        rows = torch.arange(samples).repeat(len(still))
        all_drifts = ode.evaluate(torch.cat([latents[block] for block in still]), steps, rows)
        for block, drift in zip(still, all_drifts.split(samples), strict=True):
            step = edges[block] + offset
            latents[block] = _jump(ode, latents[block], drift, step, step + 1)
    return latents


def _evaluate_all(ode: Ode, latents: Tensor, step: int) -> Tensor:
    rows = torch.arange(len(latents))
    return ode.evaluate(latents, torch.full_like(rows, step), rows)


def _jump(ode: Ode, latents: Tensor, drifts: Tensor, start: int, stop: int) -> Tensor:
    return latents + (float(ode.sigmas[stop]) - float(ode.sigmas[start])) * drifts


def _pulls(ode: Ode) -> list[float]:
    sigmas = [float(sigma) for sigma in ode.sigmas]
    return [after - before for before, after in pairwise(sigmas)]


def _like(values: list[float], latents: Tensor) -> Tensor:
    shape = (len(values),) + (1,) * (latents.dim() - 1)
    return torch.tensor(values, dtype=latents.dtype, device=latents.device).reshape(shape)
