"""How many rounds a wavefront takes where nobody says: a rule of steps, cores and guidance.

It aims at a median distance of .01 to the sequential result, and .05 for nine in ten samples
(latent RMSE, built-in models; benchmarks/RESULTS.md). How many rounds that takes hardly depends
on the number of steps and strongly on the guidance, because predictions turn in the first fifth
of any grid.
"""

import math

MEASURED_STEPS, MEASURED_GUIDANCE = (20, 50), (1.0, 8.0)
"""The ranges in which the rule was measured."""

FEW_STEPS = 10
"""Up to so many steps cores cannot share a grid: every rule would be worse than the steps alone."""

EVEN_ABOVE = 2.0
"""The guidance above which one core alone visits steps at equal distances."""


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
    return max(1, min(steps, _for_cores(steps, cores) + _for_guidance(guidance)))


def _for_cores(steps: int, cores: int) -> int:
    """Returns the rounds at guidance 4."""
    one = math.ceil(10 + steps / 6)
    two = min(one, math.ceil(9 + 2 * steps / 15))
    four = min(two, math.ceil(10 + steps / 16))
    three = math.ceil((two + four) / 2)
    eight = four - 1 if steps >= 50 else four
    by_cores = {1: one, 2: two, 3: three, 4: four, 8: eight}
    return by_cores[max(k for k in by_cores if k <= cores)]


def _for_guidance(guidance: float) -> int:
    """Returns how many rounds more, or fewer, another guidance than 4 takes."""
    if guidance < 4:
        return -math.ceil(4 - max(1.0, guidance))
    return math.ceil(2.5 * (guidance - 4))
