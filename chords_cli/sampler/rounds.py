"""How many rounds a wavefront takes where nobody says: a rule of steps, cores and guidance.

It aims at a median distance of .01 to the sequential result, and .05 for nine in ten samples
(latent RMSE, built-in models; benchmarks/RESULTS.md). How many rounds that takes hardly depends
on the number of steps and strongly on the guidance, because predictions turn in the first fifth
of any grid.
"""

import math
from dataclasses import dataclass

from chords_cli.sampler.plan import Plan

MEASURED_STEPS, MEASURED_GUIDANCE = (20, 50), (1.0, 8.0)
"""The ranges in which the rule was measured."""

FEW_STEPS = 10
"""Up to so many steps cores cannot share a grid: every rule would be worse than the steps alone."""

EXPECTED = {
    (1, 1): (0.0014, 0.0031),
    (1, 4): (0.0086, 0.017),
    (1, 8): (0.0058, 0.021),
    (2, 1): (0.0021, 0.0046),
    (2, 4): (0.0062, 0.017),
    (2, 8): (0.0027, 0.019),
    (3, 1): (0.0022, 0.0038),
    (3, 4): (0.0033, 0.0092),
    (3, 8): (0.0018, 0.012),
    (4, 1): (0.003, 0.0051),
    (4, 4): (0.0042, 0.01),
    (4, 8): (0.0027, 0.02),
    (8, 1): (0.0033, 0.0054),
    (8, 4): (0.0037, 0.01),
    (8, 8): (0.0056, 0.022),
}
"""By cores and guidance: median, and what nine in ten are within, at the rule's rounds. Latent RMSE
to the sequential result, both built-in models and all steps of the study together."""

_LEAST = 0.75
"""The share of the rule's rounds below which a run is told of it."""

STRONG, STRONG_STEPS = 6.0, 40
"""Above that guidance fewer steps than that have outliers, and two cores on any grid."""

_MANY, _ROOM = 4, 2
"""More cores than that are useful if so many steps per core are left to be covered by leads."""

WEAK = 2.0
"""Up to that guidance drifts nearly keep to a line. Above it one core alone visits steps at equal
distances, and all trust less in what they extrapolate."""


def default_rounds(steps: int, cores: int, guidance: float = 1.0) -> int:
    """Returns in how many rounds `cores` cores cover `steps` steps where no number is given.

    More cores never take more rounds.

    Args:
        steps: T >= 1.
        cores: K >= 1.
        guidance: Of two model calls a step; 1 without, and where it is an input of the model.
    """
    if steps <= FEW_STEPS:
        return steps
    away = min(max(1.0, guidance) - 4, steps)
    more = math.ceil(2.5 * away) if away > 0 else -math.ceil(-away)
    return max(1, min(steps, _usual_rounds(steps, cores) + more))


def useful_cores(steps: int, cores: int, guidance: float = 1.0) -> int:
    """Returns how many of `cores` cores make a result sooner or closer, at the usual rounds.

    More than four of them need room: their leads lie close together on short grids, and then they
    came less close than four in the study. Under strong guidance they only pay if they save a
    round.
    """
    four = default_rounds(steps, _MANY, guidance)
    for many in range(cores, _MANY, -1):
        rounds = default_rounds(steps, many, guidance)
        roomy = guidance <= STRONG and steps - rounds >= _ROOM * many
        if roomy or rounds < four:
            return many
    return min(cores, _MANY)


def free_cores(plan: Plan, asked: int) -> str | None:
    """Says why a plan leaves some of the cores free that were asked for; None if it does not."""
    if plan.algo != "wavefront" or plan.cores >= asked:
        return None
    return (
        f"{asked - plan.cores} of {asked} cores stay free: for {plan.steps} steps at guidance "
        f"{plan.guidance or 1:g} more than {plan.cores} come neither sooner nor closer"
    )


def _usual_rounds(steps: int, cores: int) -> int:
    """Returns the rounds at guidance 4."""
    one = math.ceil(12 + steps / 6)
    two = min(one, math.ceil(9 + 2 * steps / 15))
    four = min(two, math.ceil(10 + steps / 16))
    three = math.ceil((two + four) / 2)
    eight = four - 1 if steps >= 50 else four
    by_cores = {1: one, 2: two, 3: three, 4: four, 8: eight}
    return by_cores[max(k for k in by_cores if k <= cores)]


@dataclass(frozen=True, slots=True)
class Expected:
    """How far a plan's first arrival is from the sequential result, as measured.

    Attributes:
        median: Latent RMSE.
        most: What nine in ten samples are within.
    """

    median: float
    most: float


def expected_error(plan: Plan) -> Expected | None:
    """Returns what the study measured for plans like this one; None if it has none.

    That of as many cores, or fewer, and of as strong a guidance, or a stronger one.
    """
    low, high = MEASURED_STEPS
    guidance = plan.guidance or 1.0
    if not low <= plan.steps <= high or guidance > MEASURED_GUIDANCE[1]:
        return None
    if plan.planned_rounds != default_rounds(plan.steps, plan.cores, guidance):
        return None
    cores = max(k for k, _ in EXPECTED if k <= plan.cores)
    return Expected(*EXPECTED[cores, min(g for _, g in EXPECTED if g >= guidance)])


def caution(plan: Plan) -> str | None:
    """Says what to know before a plan runs; None if that is nothing.

    Of few steps cores can save none; one core alone guesses; in far fewer rounds than the rule's,
    one device that takes as many steps may come closer.
    """
    if plan.planned_rounds is None:
        return None
    steps, cores, rounds = plan.steps, plan.cores, plan.planned_rounds
    guidance = plan.guidance or 1.0
    if cores > 1 and rounds == steps:
        strong = f" at guidance {guidance:g}" if steps > FEW_STEPS else ""
        return (
            f"{steps} steps{strong} cannot be shared between cores: {cores} take as long as one; "
            "take more steps, 20 at least, or give every device a prompt of its own"
        )
    if cores == 1 and rounds < steps:
        return f"1 core evaluates {rounds} of {steps} steps and extrapolates on the others"
    usual = default_rounds(steps, cores, guidance)
    if rounds < _LEAST * usual:
        return (
            f"{rounds} rounds are few for {steps} steps at guidance {guidance:g}: {usual} are "
            "usual, and below them one device that takes fewer steps may come closer"
        )
    useful = useful_cores(steps, cores, guidance)
    if cores > useful and rounds < steps:
        return (
            f"{cores} cores came no closer than {useful} in the study, for {steps} steps at "
            f"guidance {guidance:g}: --cores {useful} leaves the other devices free"
        )
    if guidance <= WEAK and cores > _MANY and steps < 40:
        return (
            f"at guidance {guidance:g} one core in as many rounds came about as close on one of "
            f"the two models of the study: --cores 1 --rounds {rounds}"
        )
    if guidance > STRONG and cores > 1 and (cores == 2 or steps < STRONG_STEPS):
        return (
            f"at guidance {guidance:g} one core in as many rounds came closer for some of the "
            f"study's samples: more rounds than {rounds} are safer"
        )
    return None
