"""The wavefront plan and its coefficients: integers and scalars, known before a run starts.

Cores run ahead of core 0 by leads that grow over the first nine tenths of the run. In every round
a core's next latent is the slower core's newest one, carried along the fine grid to the core's own
next step. Where the drift is not known on the way, the sample that it predicts is filled in: the
end q = x + (sigma_T - sigma) v of the straight line along it. Between two steps at which q is known
it is linear, beyond the last one it is held, but for a share of the line through the core's own
last two. All of that is a sum with factors that are known before the run, save that share:

    x  <-  m + sum_j own_j q_j + beyond share (q_t - q_s)          m = carry x' + slower q'

where t and s are the core's last two steps, and primes are the slower core's, which makes m: one
latent per round carries both.

Symbols, for fine steps x_{i+1} = keep_i x_i + pull_i v_i, with the slower core's values primed:

    keep_i, pull_i   the factors of latent and drift in a fine step; Euler: 1, sigma_{i+1} - sigma_i
    q_i              the sample predicted at step i: end_keep_i x_i + end_pull_i v_i
    p_i, k_i         the fine step with q for v: p_i = pull_i / end_pull_i of q_i, and
                     k_i = keep_i - p_i end_keep_i of x_i
    carry            the factor of x': the product of all k_i from the slower core's next step to
                     the core's own
    own_j            the factor of q_j: the sum over these steps i of p_i w_ij k_{i+1} k_{i+2} ...,
                     w_ij being the weight of q_j where q is interpolated at step i,
                     or held from t on
    slower           the same factor for q'
    beyond           the factor of q_t - q_s: the same sum with (c_i - c_t) / (c_t - c_s) for w_ij,
                     0 where i < t; c is the clock
    stretch          (c_t - c_s) / (c_s - c_r), r being the step before s: q_t - q_s would be
                     stretch (q_s - q_r) were the three on one line
    share            how much of that line is followed, 0 to 1 (`wavefront_core.trusted`)

Why predictions and not drifts: a drift evaluated at a latent that was later corrected holds the
old latent itself, a prediction only the model's answer to it; and a correction shrinks on its way
as the flow shrinks it (`carry`). Why only a share of the line: between latents that are still being
corrected a slope is mostly noise, more so under strong guidance. The share is what would have been
right one step ago (`trusted`), so it is near 1 where the flow is smooth and 0 where it is
not. One core alone has no such trouble; it sums drifts, extrapolated from its last two, and is of
second order.
"""

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chords_cli.errors import PlanError
from chords_cli.sampler.plan import Message, Plan, after, check_size, hits_of

_DEFAULT_ROUNDS = {
    1: (0.5, 0.0),
    2: (0.5, 0.0),
    3: (0.3, 4.0),
    4: (0.25, 2.5),
    6: (0.2, 2.0),
    8: (0.15, 4.5),
    12: (0.1, 5.0),
    16: (0.15, 2.5),
}
"""Default rounds of K cores as a share of T plus a constant; between two K's, linear in K."""

_PREVIEW_ROUNDS = 3
"""The fastest core shows its preview when it knows its third drift."""


@dataclass(frozen=True, slots=True)
class LinearGrid:
    """A grid whose fine steps are linear: x_{i+1} = keep[i] x_i + pull[i] v_i.

    Attributes:
        keep: Of the latent, in a fine step.
        pull: Of the drift, in a fine step.
        end_keep: Of the latent, in the jump from a step to the end: the predicted sample.
        end_pull: Of the drift in that jump; 0 only where the path stands still until the end.
        clock: The time in which one interpolates, one value for every step at which a drift can
            be evaluated: sigma, or what the model is fed.
    """

    keep: tuple[float, ...]
    pull: tuple[float, ...]
    end_keep: tuple[float, ...]
    end_pull: tuple[float, ...]
    clock: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """What one core does in one round, as factors.

    Attributes:
        carry: Of the slower core's new latent; of its own one where there is no slower core.
        own: Of its predictions, by step; of its drifts if it is alone.
        slower: Of the slower core's prediction in that round.
        beyond: Of its last change of prediction, times the share of it that is trusted.
        stretch: The last change over the one before it, were the predictions on a straight line.
    """

    carry: float
    own: dict[int, float]
    slower: float
    beyond: float = 0.0
    stretch: float = 0.0


def default_rounds(steps: int, cores: int) -> int:
    """Returns in how many rounds `cores` cores cover `steps` steps where no number is given."""
    below = max(k for k in _DEFAULT_ROUNDS if k <= min(cores, 16))
    above = min(k for k in _DEFAULT_ROUNDS if k >= min(cores, 16))
    part = (min(cores, 16) - below) / (above - below) if above > below else 0.0
    share, base = (
        low + part * (high - low)
        for low, high in zip(_DEFAULT_ROUNDS[below], _DEFAULT_ROUNDS[above], strict=True)
    )
    return max(1, min(steps, math.floor(share * steps + base + 0.5)))


def wavefront_plan(steps: int, cores: int, rounds: int) -> Plan:
    """Makes the plan in which core K - 1 arrives after `rounds` and core 0 visits every step.

    With one core there is nobody to be corrected by: it takes larger, second-order steps.

    Args:
        steps: T >= 1.
        cores: K, from 1 to T.
        rounds: R, from 1 to T; T is the sequential result on every core.

    Raises:
        PlanError: A number is out of range.
    """
    _check(steps, cores, rounds)
    walks = tuple(_walk(steps, lead, rounds) for lead in _leads(steps - rounds, cores))
    messages = (
        Message(round, core, walks[core - 1][round], after(walks[core - 1], round, steps))
        for round in range(steps)
        for core in range(1, cores)
        if round < len(walks[core])
    )
    return Plan(
        algo="wavefront",
        steps=steps,
        walks=walks,
        evaluations=tuple(map(len, walks)),
        repeated=(0,) + (1,) * (cores - 1),
        messages=tuple(messages),
        planned_rounds=rounds,
        hits=hits_of(walks, preview=min(_PREVIEW_ROUNDS, len(walks[-1]))),
    )


def fills(plan: Plan, core: int, grid: LinearGrid) -> list[Fill]:
    """Returns what `core` does in every round of its walk; core 0 of several never asks."""
    return [_fill(plan, core, round, grid) for round in range(len(plan.walks[core]))]


def _check(steps: int, cores: int, rounds: int) -> None:
    check_size(steps, cores)
    if not 1 <= rounds <= steps:
        raise PlanError(
            f"rounds is {rounds}, but {steps} steps take from 1 to {steps} rounds",
            "try {rounds}",
            {"rounds": default_rounds(steps, cores)},
        )


def _leads(ahead: int, cores: int) -> list[int]:
    """Returns how many steps every core ends ahead of core 0: 0 to `ahead`, growing if it can."""
    if cores == 1:
        return [ahead]
    last = cores - 1
    leads = [round(ahead * (1 - (1 - core / last) ** 1.5)) for core in range(cores)]
    for core in range(1, cores):
        leads[core] = max(leads[core], leads[core - 1] + 1)
    leads[last] = ahead
    for core in range(last - 1, -1, -1):
        leads[core] = max(0, min(leads[core], leads[core + 1] - 1))
    return leads


def _walk(steps: int, lead: int, rounds: int) -> tuple[int, ...]:
    walk: list[int] = []
    for round_ in range(steps):
        grown = 1 - (1 - min(1.0, round_ / (0.9 * rounds))) ** 2
        step = round_ + round(lead * grown)
        step = max(step, walk[-1] + 1) if walk else 0
        if step >= steps:
            break
        walk.append(step)
    return tuple(walk)


def _fill(plan: Plan, core: int, round: int, grid: LinearGrid) -> Fill:
    """Finds the factors of the fine path from the slower core's next step to this core's."""
    walk = plan.walks[core]
    step, stop = walk[round], plan.reached(core, round)
    if plan.cores == 1:
        known = list(walk[max(0, round - 1) : round + 1])
        return Fill(*_fine_path(step, stop, known, stop, grid), slower=0.0)
    grid = _predicting(grid)
    slower = plan.walks[core - 1][round] if core else step
    base = plan.reached(core - 1, round) if core else step
    known = sorted({slower, *(visited for visited in walk[: round + 1] if visited > slower)})
    carry, own = _fine_path(base, stop, known, step, grid)
    from_slower = own.pop(slower, 0.0) if slower < step else 0.0
    if round < 2:
        return Fill(carry, own, from_slower)
    return Fill(
        carry, own, from_slower, *_straight_on(base, stop, walk[round - 2 : round + 1], grid)
    )


def _straight_on(
    start: int, stop: int, visited: Sequence[int], grid: LinearGrid
) -> tuple[float, float]:
    """Finds `Fill.beyond` and `Fill.stretch` for the last three steps visited."""
    first, second, last = (grid.clock[step] for step in visited)
    beyond = 0.0
    for step in range(start, stop):
        ahead = max(0.0, (grid.clock[step] - last) / (last - second))
        beyond = grid.keep[step] * beyond + grid.pull[step] * ahead
    return beyond, (last - second) / (second - first)


def _predicting(grid: LinearGrid) -> LinearGrid:
    """Returns the same fine steps, with the predicted sample in the place of the drift."""
    pairs = zip(grid.pull, grid.end_pull, strict=True)
    shares = tuple(pull / end_pull if pull else 0.0 for pull, end_pull in pairs)
    rows = zip(grid.keep, shares, grid.end_keep, strict=True)
    return replace(grid, keep=tuple(keep - share * end for keep, share, end in rows), pull=shares)


def _fine_path(
    start: int, stop: int, known: list[int], held: int, grid: LinearGrid
) -> tuple[float, dict[int, float]]:
    """Writes the latent at `stop` as factors of the one at `start` and of what is known.

    From step `held` on, what is known last is held.
    """
    carry, factors = 1.0, dict.fromkeys(known, 0.0)
    for step in range(start, stop):
        carry *= grid.keep[step]
        factors = {node: grid.keep[step] * factor for node, factor in factors.items()}
        for node, weight in _interpolated(known, min(step, held), grid.clock).items():
            factors[node] += grid.pull[step] * weight
    return carry, {node: factor for node, factor in factors.items() if factor}


def _interpolated(known: list[int], step: int, clock: Sequence[float]) -> dict[int, float]:
    """Returns the weights at `step`, between or beyond the two nearest known steps."""
    if step in known:
        return {step: 1.0}
    if len(known) == 1:
        return {known[0]: 1.0}
    right = min(max(bisect(known, step), 1), len(known) - 1)
    low, high = known[right - 1], known[right]
    weight = (clock[step] - clock[low]) / (clock[high] - clock[low])
    return {low: 1 - weight, high: weight}
