"""How far a result may be from the sequential one, judged by what the run itself has shown.

A core that still is moved much by the slower one before it arrives would have been moved again. Of
all cores, and of the three rounds before the last one of the result, the largest correction counts,
as of the latent that the core had evaluated:

    C = max rms(corrected - uncorrected) / kept        error <= 3 C for 24 of 25 samples

It says nothing where too few cores see too little, and where the cores' path is not the sampler's
own, because corrections do not see that difference (benchmarks/RESULTS.md has how often it held).
"""

from collections.abc import Mapping

from chords_cli.sampler.plan import Plan

LEAST_CORES = 3
"""With two, one receiver sees too little."""

WITHIN = 3.0
"""How many times C the error is at most."""

HELD = 0.96
"""For which share of the samples of the study it was."""

_ROUNDS = 3


def estimated_error(
    plan: Plan, index: int, corrections: Mapping[tuple[int, int], float]
) -> float | None:
    """Returns what the latent RMSE of output `index` to the sequential result is within.

    Args:
        plan: The plan that was run.
        index: The output, above 0.
        corrections: By core and round, the correction over what was kept of it.

    Returns:
        None where that cannot be told, and where the output is the sequential result.
    """
    if plan.algo != "wavefront" or plan.cores < LEAST_CORES or not 0 < index < plan.cores:
        return None
    if plan.visits_all(plan.hits[index].core):
        return None
    last = plan.rounds(index) - 1
    counted = range(max(1, last - _ROUNDS), last)
    found = [moved for (_, round), moved in corrections.items() if round in counted]
    return WITHIN * max(found) if found else None
