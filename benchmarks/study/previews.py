"""What the fastest core of a wavefront could show early, measured against the final sample.

After n rounds the head knows its latent and its drift at n steps. Every candidate extends the
drift from there to the end of the grid and sums it along the fine grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.study.measures import EQUAL
from benchmarks.study.problem import Problem
from chords_cli.media.metrics import psnr, rmse
from chords_cli.sampler import Hit, default_rounds, wavefront_plan

LATEST = 6
"""Rounds after which nobody calls it early."""

Weights = Callable[[list[float], float], list[float]]
"""From the clock at the known steps (the last one is where the head stands) and at a later step to
the factors of the known drifts."""


@dataclass
class Preview:
    """One candidate after some rounds, over all prompts."""

    guidance: float
    cores: int
    planned: int
    round: int
    step: int
    candidate: str
    rmse: list[float]
    psnr: list[float]

    def document(self) -> dict[str, Any]:
        return self.__dict__ | {"rmse_median": float(np.median(self.rmse))}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Preview":
        return cls(**{name: value for name, value in document.items() if name != "rmse_median"})


def previews(
    problem: Problem, cores: Sequence[int], exact_frames: np.ndarray, guidance: float
) -> list[Preview]:
    """All candidates of default wavefronts in every early round; PSNR only in the third round."""
    made = []
    for k in cores:
        planned = default_rounds(problem.steps, k)
        known = _head(problem, k, planned)
        for round in range(2, len(known) + 1):
            for name, weights in CANDIDATES.items():
                latents = _shot(problem, known[:round], weights)
                one = Preview(guidance, k, planned, round, known[round - 1][0], name, [], [])
                pairs = zip(latents.cpu().numpy(), problem.path[-1].cpu().numpy(), strict=True)
                one.rmse = [rmse(a, b) for a, b in pairs]
                if round == 3:
                    pairs = zip(problem.decode(latents), exact_frames, strict=True)
                    one.psnr = [min(psnr(a, b) or EQUAL, EQUAL) for a, b in pairs]
                made.append(one)
    return made


def joined_previews(previews: Sequence[Preview]) -> list[Preview]:
    """Previews of the same candidate on different prompts as one."""
    found: dict[tuple, Preview] = {}
    for one in previews:
        key = (one.guidance, one.cores, one.planned, one.round, one.step, one.candidate)
        whole = found.setdefault(key, Preview(*key, [], []))
        whole.rmse.extend(one.rmse)
        whole.psnr.extend(one.psnr)
    return list(found.values())


def _head(problem: Problem, cores: int, planned: int) -> list[tuple[int, Tensor, Tensor]]:
    """The fastest core's steps, latents and drifts in the first rounds."""
    plan = wavefront_plan(problem.steps, cores, planned)
    last = cores - 1
    rounds = min(LATEST, len(plan.walks[last]))
    plan = replace(plan, hits=(Hit(0, last, rounds),)).until(0)
    order = [core for r in range(rounds) for core in range(cores) if r < plan.evaluations[core]]
    seen: list[tuple[int, Tensor, Tensor]] = []
    drift = problem.remembering()

    def see(latents: Tensor, step: int) -> Tensor:
        answer = drift(latents, step)
        seen.append((step, latents, answer))
        return answer

    problem.simulated(plan, see)
    return [one for core, one in zip(order, seen, strict=True) if core == last]


def _shot(problem: Problem, known: list[tuple[int, Tensor, Tensor]], weights: Weights) -> Tensor:
    """The sample that the head reaches when its drift is extended by `weights`."""
    grid = problem.solver().linear_grid()
    clock = [grid.clock[step] for step, _, _ in known]
    start, latents, _ = known[-1]
    for step in range(start, problem.steps):
        drift = sum(
            factor * v
            for factor, (_, _, v) in zip(weights(clock, grid.clock[step]), known, strict=True)
        )
        latents = grid.keep[step] * latents + grid.pull[step] * drift
    return latents


def _constant(clock: list[float], moment: float) -> list[float]:
    """The last drift to the end: in flow matching one Euler jump, and as good as x0 predicted."""
    return [0.0] * (len(clock) - 1) + [1.0]


def _linear(clock: list[float], moment: float, share: float = 1.0) -> list[float]:
    """The line through the last two drifts, or a share of its slope."""
    ahead = share * (moment - clock[-1]) / (clock[-1] - clock[-2])
    return [0.0] * (len(clock) - 2) + [-ahead, 1 + ahead]


def _half_linear(clock: list[float], moment: float) -> list[float]:
    return _linear(clock, moment, 0.5)


def _held(clock: list[float], moment: float) -> list[float]:
    """The line, but no further than the last two drifts are apart; level from there."""
    span = clock[-1] - clock[-2]
    ahead = moment - clock[-1]
    return _linear(clock, clock[-1] + (ahead if abs(ahead) < abs(span) else span))


def _parabola(clock: list[float], moment: float) -> list[float]:
    """Through the last three drifts; the line where there are only two."""
    if len(clock) < 3:
        return _linear(clock, moment)
    a, b, c = clock[-3:]
    return [0.0] * (len(clock) - 3) + [
        (moment - b) * (moment - c) / ((a - b) * (a - c)),
        (moment - a) * (moment - c) / ((b - a) * (b - c)),
        (moment - a) * (moment - b) / ((c - a) * (c - b)),
    ]


CANDIDATES: dict[str, Weights] = {
    "constant (Euler shot)": _constant,
    "linear": _linear,
    "half the slope": _half_linear,
    "linear, then held": _held,
    "parabola": _parabola,
}
