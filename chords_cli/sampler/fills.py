"""The wavefront's arithmetic as factors: scalars, known before a run starts.

A core's next latent is the slower core's newest one, carried along the fine grid to the core's own
next step. The sampler's fine path is linear in the samples q that are predicted on it, with as many
earlier ones as a multistep sampler remembers:

    x_{i+1} = keep_i x_i + sum_d pulls_i[d] q_{i-d}          q_i = end_keep_i x_i + end_pull_i v_i

Where q is not known on the way, it is filled in. Between two steps at which q is known it is linear
in the clock, beyond the last one it is held, but for a share of the line through the core's own
last two. All of that is a sum with factors that are known before the run, save that share:

    x  <-  m + sum_j own_j q_j + beyond share (q_t - q_s)
    m  =   carry x' + sum_j slower_j q'_j + slower_beyond share' (q'_t - q'_s)

where t and s are a core's last two steps, and primes are the slower core's, which makes m: one
latent per round carries all of it.

    x'              the slower core's latent at its next step, b
    carry           the factor of x': the product of all keep_i from b to the core's own next step
    own_j           the factor of q_j: the sum over these steps i, and over d, of
                    pulls_i[d] w_{i-d,j} keep_{i+1} keep_{i+2} ..., w_ij being the weight of q_j
                    where q is interpolated at step i, or held from t on
    beyond          the factor of q_t - q_s: the same sum with (l_i - l_t) / (l_t - l_s) for w_ij,
                    0 where i < t; l is the clock of the line (`Line`)
    slower_j        the same factor for q'_j: of the step that the slower core has just evaluated,
                    and of what the sampler remembers from before b, which is filled in as the
                    slower core fills it
    stretch         (l_t - l_s) / (l_s - l_r), r being the step before s: q_t - q_s would be
                    stretch (q_s - q_r) were the three on one line
    share           how much of that line is followed, 0 to 1 (`core.trusted`); under weak guidance
                    its root, and 1 with two cores or where no earlier change foretold this one

Why predictions and not drifts: a drift evaluated at a latent that was later corrected holds the
old latent itself, a prediction only the model's answer to it; and a correction shrinks on its way
as the flow shrinks it (`carry`). Why only a share of the line: between latents that are still being
corrected a slope is mostly noise, more so under strong guidance. The share is what would have been
right one step ago (`trusted`), so it is near 1 where the flow is smooth and 0 where it is not.
Under weak guidance the flow is smooth, and that share is too careful (benchmarks/RESULTS.md).
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from chords_cli.sampler.plan import Plan
from chords_cli.sampler.rounds import WEAK


@dataclass(frozen=True, slots=True)
class LinearGrid:
    """A grid whose fine steps are linear in the latent and the samples predicted so far.

    Attributes:
        keep: Of the latent, in a fine step.
        pulls: Of the predicted samples, in a fine step: that of the step, the one before, and so
            on. A sampler of first order has one.
        end_keep: Of the latent, in the predicted sample.
        end_pull: Of the drift, in the predicted sample; 0 only where the path stands still until
            the end.
        clock: The time in which one interpolates, one value for every step at which a drift can
            be evaluated: sigma, or what the model is fed.
        exact: Whether these are the sampler's own steps, or steps of first order in their place.
    """

    keep: tuple[float, ...]
    pulls: tuple[tuple[float, ...], ...]
    end_keep: tuple[float, ...]
    end_pull: tuple[float, ...]
    clock: tuple[float, ...]
    exact: bool = True

    @classmethod
    def first_order(
        cls,
        keep: Sequence[float],
        pull: Sequence[float],
        end_keep: Sequence[float],
        end_pull: Sequence[float],
        clock: Sequence[float],
    ) -> "LinearGrid":
        """Makes the grid of fine steps x_{i+1} = keep_i x_i + pull_i v_i, v being the drift.

        A predicted sample is the end of the straight line along the drift.
        """
        pairs = zip(pull, end_pull, strict=True)
        shares = [fine / end if fine else 0.0 for fine, end in pairs]
        rows = zip(keep, shares, end_keep, strict=True)
        return cls(
            keep=tuple(kept - share * end for kept, share, end in rows),
            pulls=tuple((share,) for share in shares),
            end_keep=tuple(end_keep),
            end_pull=tuple(end_pull),
            clock=tuple(clock),
        )

    @property
    def memory(self) -> int:
        """How many predicted samples before its own one a fine step uses at most."""
        return max(map(len, self.pulls)) - 1


@dataclass(frozen=True, slots=True)
class Sum:
    """Predicted samples of one core, as factors.

    Attributes:
        known: Of predictions, by the step at which they were made.
        beyond: Of the last change of prediction, times the share of it that is trusted.
    """

    known: dict[int, float]
    beyond: float = 0.0


@dataclass(frozen=True, slots=True)
class Fill:
    """What one core does in one round.

    Attributes:
        carry: Of the slower core's new latent; the slower core multiplies.
        slower: Of the slower core's predictions; the slower core sums.
        own: Of the core's own predictions.
    """

    carry: float
    slower: Sum
    own: Sum


@dataclass(slots=True)
class _Path:
    """The latent on a stretch of the fine path: factors of what it is made of."""

    carry: float
    known: dict[int, float]
    beyond: float = 0.0
    before: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """The line that a core's predictions follow beyond the last step that it has visited.

    Under strong guidance they change evenly in the grid's clock c. Under weak guidance it is the
    drift that does, and by dv it changes a prediction by end_pull dv: so predictions change evenly
    in the integral of end_pull dc, which is c^2 / 2 where c is sigma.

    Attributes:
        clock: In which predictions change evenly, one value a step.
        least: How many steps a core has visited before it follows a line.
    """

    clock: tuple[float, ...]
    least: int

    @classmethod
    def of(cls, plan: Plan, grid: LinearGrid) -> "Line":
        """Finds the line for the guidance of a plan."""
        if not is_weak(plan):
            return cls(grid.clock, 3)
        steps = zip(pairwise(grid.clock), pairwise(grid.end_pull), strict=True)
        strides = ((pull + then) / 2 * (later - now) for (now, later), (pull, then) in steps)
        return cls(tuple(accumulate(strides, initial=0.0)), 2)


def is_weak(plan: Plan) -> bool:
    """Returns whether the plan's guidance is so weak that drifts nearly keep to a line."""
    return (plan.guidance or 1.0) <= WEAK


def fills(plan: Plan, core: int, grid: LinearGrid) -> list[Fill]:
    """Returns what `core`, not core 0, does in every round of its walk."""
    line = Line.of(plan, grid)
    return [_fill(plan, core, round, grid, line) for round in range(len(plan.walks[core]))]


def alone(plan: Plan, core: int, grid: LinearGrid) -> list[Fill]:
    """Returns, per round, where `core` would go from the latent that it has evaluated.

    It fills in the same, but nobody corrects it: `carry` is the factor of its own latent.
    """
    line = Line.of(plan, grid)
    return [_alone(plan, core, round, grid, line) for round in range(len(plan.walks[core]))]


def stretches(plan: Plan, core: int, grid: LinearGrid) -> list[float]:
    """Returns, per round, the last change of prediction over the one before it, on a line.

    0 as long as the core has visited fewer than three steps.
    """
    clock = Line.of(plan, grid).clock
    strides = [clock[later] - clock[step] for step, later in pairwise(plan.walks[core])]
    found = [now / before if before else 0.0 for before, now in pairwise(strides)]
    return [0.0] * min(2, len(plan.walks[core])) + found


def _fill(plan: Plan, core: int, round: int, grid: LinearGrid, line: Line) -> Fill:
    """Finds the factors of the fine path from the slower core's next step to this core's."""
    walk, evaluated = plan.walks[core], plan.walks[core - 1][round]
    step, base = walk[round], plan.reached(core - 1, round)
    known = sorted({evaluated, *(visited for visited in walk[: round + 1] if visited > evaluated)})
    path = _fine_path(base, plan.reached(core, round), known, walk[: round + 1][-3:], grid, line)
    slower = _remembered(plan, core - 1, round, path.before, grid, line)
    if evaluated < step:
        factor = path.known.pop(evaluated)
        slower.known[evaluated] = slower.known.get(evaluated, 0.0) + factor
    own = {node: factor for node, factor in path.known.items() if factor}
    return Fill(path.carry, slower, Sum(own, path.beyond))


def _alone(plan: Plan, core: int, round: int, grid: LinearGrid, line: Line) -> Fill:
    walk = plan.walks[core]
    visited = walk[: round + 1][-3:]
    path = _fine_path(walk[round], plan.reached(core, round), visited, visited, grid, line)
    remembered = _remembered(plan, core, round, path.before, grid, line)
    for node, factor in remembered.known.items():
        path.known[node] = path.known.get(node, 0.0) + factor
    return Fill(path.carry, Sum({}), Sum(path.known, path.beyond + remembered.beyond))


def _remembered(
    plan: Plan,
    core: int,
    round: int,
    before: dict[int, float],
    grid: LinearGrid,
    line: Line,
) -> Sum:
    """Writes predictions before a step of `core` in terms of those that it has made.

    A core that visits every step has them all. Others fill in, from their last three.
    """
    if plan.visits_all(core):
        return Sum(dict(before))
    visited = plan.walks[core][: round + 1][-3:]
    total, beyond = dict.fromkeys(visited, 0.0), 0.0
    for step, factor in before.items():
        for node, weight in _interpolated(visited, min(step, visited[-1]), grid.clock).items():
            total[node] += factor * weight
        beyond += factor * _ahead(step, visited, line)
    return Sum({node: factor for node, factor in total.items() if factor}, beyond)


def _fine_path(
    start: int,
    stop: int,
    known: Sequence[int],
    visited: Sequence[int],
    grid: LinearGrid,
    line: Line,
) -> _Path:
    """Writes the latent at `stop` as factors of the one at `start` and of what is known.

    Args:
        start: Where the path begins.
        stop: Where it ends.
        known: The steps of the known predictions.
        visited: The last steps that the core has visited, three at most; from the last one on
            what is known last is held.
        grid: The fine steps.
        line: What predictions follow beyond the last step visited.
    """
    path = _Path(1.0, dict.fromkeys(known, 0.0))
    for step in range(start, stop):
        keep = grid.keep[step]
        path.carry *= keep
        path.known = {node: keep * factor for node, factor in path.known.items()}
        path.before = {node: keep * factor for node, factor in path.before.items()}
        path.beyond *= keep
        for distance, pull in enumerate(grid.pulls[step]):
            at = step - distance
            if at < start:
                path.before[at] = path.before.get(at, 0.0) + pull
                continue
            for node, weight in _interpolated(known, min(at, visited[-1]), grid.clock).items():
                path.known[node] += pull * weight
            path.beyond += pull * _ahead(at, visited, line)
    return path


def _ahead(step: int, visited: Sequence[int], line: Line) -> float:
    """Returns how far `step` lies beyond the last step visited, in strides of the last change."""
    if len(visited) < line.least:
        return 0.0
    second, last = (line.clock[node] for node in visited[-2:])
    return max(0.0, (line.clock[step] - last) / (last - second)) if last != second else 0.0


def _interpolated(known: Sequence[int], step: int, clock: Sequence[float]) -> dict[int, float]:
    """Returns the weights at `step`, between or beyond the two nearest known steps."""
    if step in known:
        return {step: 1.0}
    if len(known) == 1:
        return {known[0]: 1.0}
    right = min(max(bisect(known, step), 1), len(known) - 1)
    low, high = known[right - 1], known[right]
    weight = (clock[step] - clock[low]) / (clock[high] - clock[low])
    return {low: 1 - weight, high: weight}
