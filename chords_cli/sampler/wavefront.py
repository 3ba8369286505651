"""The wavefront plan and its coefficients: integers and scalars, known before a run starts.

Cores run ahead of core 0 by leads that grow over the first nine tenths of the run. In every round
a core's next latent is the slower core's newest one plus the way from there to its own next step,
along the fine grid, with the drift between the steps at which it is known filled in linearly
(ALGORITHM.md, section 3). All of that is a sum of known drifts with fixed factors:

    x  <-  m + sum_j own_j v_j + stay x_t          m = x' + slower_drift v'

where primes are the slower core's. The factor of its drift goes to the slower core, so that one
latent a round, m, carries both. On grids that add up (flow matching, Euler) `stay` is 0.
"""

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from chords_cli.errors import PlanError
from chords_cli.sampler.plan import Hit, Message, Plan, check_size

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

    `clock` is the time in which drifts are interpolated, one value for every step at which they
    can be evaluated: sigma, or what the model is fed.
    """

    keep: tuple[float, ...]
    pull: tuple[float, ...]
    clock: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """What one core does in one round, as factors.

    Attributes:
        stay: Of its latent x_t.
        own: Of its drifts, by step.
        slower: Of the slower core's drift in that round.
    """

    stay: float
    own: dict[int, float]
    slower: float


def default_rounds(steps: int, cores: int) -> int:
    """The rounds in which `cores` cores are asked to cover `steps` steps when nobody says it."""
    below = max(k for k in _DEFAULT_ROUNDS if k <= min(cores, 16))
    above = min(k for k in _DEFAULT_ROUNDS if k >= min(cores, 16))
    part = (min(cores, 16) - below) / (above - below) if above > below else 0.0
    share, base = (
        low + part * (high - low)
        for low, high in zip(_DEFAULT_ROUNDS[below], _DEFAULT_ROUNDS[above], strict=True)
    )
    return max(1, min(steps, math.floor(share * steps + base + 0.5)))


def wavefront_plan(steps: int, cores: int, rounds: int) -> Plan:
    """The plan in which core K - 1 arrives after `rounds` rounds and core 0 visits every step.

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
        Message(round, core, walks[core - 1][round], _after(walks[core - 1], round, steps))
        for round in range(steps)
        for core in range(1, cores)
        if round < len(walks[core])
    )
    last = cores - 1
    arrivals = (Hit(last - core + 1, core, len(walks[core])) for core in range(last, -1, -1))
    return Plan(
        algo="wavefront",
        steps=steps,
        walks=walks,
        evaluations=tuple(map(len, walks)),
        repeated=(0,) + (1,) * last,
        messages=tuple(messages),
        planned_rounds=rounds,
        hits=(Hit(0, last, min(_PREVIEW_ROUNDS, len(walks[last]))), *arrivals),
    )


def fills(plan: Plan, core: int, grid: LinearGrid) -> list[Fill]:
    """What `core` does in every round of its walk.

    Core 0 of several takes the sampler's own steps; it has fills all the same, of no use.
    """
    return [_fill(plan, core, round, grid) for round in range(len(plan.walks[core]))]


def _check(steps: int, cores: int, rounds: int) -> None:
    check_size(steps, cores)
    if not 1 <= rounds <= steps:
        raise PlanError(
            f"rounds is {rounds}, but {steps} steps take from 1 to {steps} rounds",
            f"try --rounds {default_rounds(steps, cores)}",
        )


def _leads(ahead: int, cores: int) -> list[int]:
    """How many steps every core ends ahead of core 0: 0 to `ahead`, growing where it can."""
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
        grown = 1 - (1 - min(1.0, round_ / (0.9 * rounds))) ** 3
        step = round_ + round(lead * grown)
        step = max(step, walk[-1] + 1) if walk else 0
        if step >= steps:
            break
        walk.append(step)
    return tuple(walk)


def _after(walk: Sequence[int], round: int, steps: int) -> int:
    return walk[round + 1] if round + 1 < len(walk) else steps


def _fill(plan: Plan, core: int, round: int, grid: LinearGrid) -> Fill:
    """The factors of y_stop - y_base, where y is the fine path through this core's latent."""
    walk = plan.walks[core]
    step, stop = walk[round], plan.stop(core, round)
    slower = plan.walks[core - 1][round] if core else step
    base = plan.stop(core - 1, round) if core else step
    if slower < step:
        known = sorted({slower, *(visited for visited in walk[: round + 1] if visited > slower)})
    else:
        known = list(walk[max(0, round - 1) : round + 1])
    path = _fine_path(step, min(base, step), stop, known, grid)
    stay = path[stop].get(None, 0.0) - path[base].get(None, 0.0)
    factors = {node: path[stop].get(node, 0.0) - path[base].get(node, 0.0) for node in known}
    slower_factor = factors.pop(slower) if slower < step else 0.0
    return Fill(stay, {node: factor for node, factor in factors.items() if factor}, slower_factor)


Terms = dict[int | None, float]
"""A linear combination: factors of drifts by their step, and of the latent x_t under None."""


def _fine_path(
    step: int, first: int, stop: int, known: list[int], grid: LinearGrid
) -> dict[int, Terms]:
    """The fine path y_first .. y_stop through y_step = x_t."""
    path: dict[int, Terms] = {step: {None: 1.0}}
    for i in range(step, stop):
        drift = _interpolated(known, i, grid.clock)
        path[i + 1] = _sum((grid.keep[i], path[i]), (grid.pull[i], drift))
    for i in range(step - 1, first - 1, -1):
        drift = _interpolated(known, i, grid.clock)
        back = 1 / grid.keep[i]
        path[i] = _sum((back, path[i + 1]), (-back * grid.pull[i], drift))
    return path


def _interpolated(known: list[int], step: int, clock: Sequence[float]) -> Terms:
    """The drift at `step`, between or beyond the two nearest steps at which it is known."""
    if step in known:
        return {step: 1.0}
    if len(known) == 1:
        return {known[0]: 1.0}
    right = min(max(bisect(known, step), 1), len(known) - 1)
    low, high = known[right - 1], known[right]
    weight = (clock[step] - clock[low]) / (clock[high] - clock[low])
    return {low: 1 - weight, high: weight}


def _sum(*terms: tuple[float, Terms]) -> Terms:
    total: Terms = {}
    for factor, term in terms:
        for node, value in term.items():
            total[node] = total.get(node, 0.0) + factor * value
    return total
