"""Memory that the first rounds of a core find ready.

The system clears a page of memory when it is first written. In a round of the wavefront that would
come between a latent that arrives and the one that is sent on, on one core after the other.
"""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor

from chords_cli.sampler.plan import Plan

_OF_A_ROUND = 8
"""Latents that a round makes and lets go of."""


def latents_held(plan: Plan, core: int) -> int:
    """Returns how many latents a core of the wavefront comes to hold at once, at the least.

    Those are the few of a round, and its predictions that the slower core has not passed.
    """
    if plan.algo != "wavefront" or plan.cores == 1:
        return 0
    most, walk = 2, plan.walks[core]
    for round in range(plan.evaluations[core] if core else 0):
        passed = plan.reached(core - 1, round)
        most = max(most, sum(step >= passed for step in walk[: round + 1]))
    return _OF_A_ROUND + most


def announce_latent(pipe: Any, hear: Callable[[Tensor], None]) -> None:
    """Has `hear` called with what the pipeline prepares for its loop, before the loop begins.

    Its shape is that of the loop's latents in almost all pipelines; some prepare none.
    """
    prepare = getattr(pipe, "prepare_latents", None)
    if prepare is None:
        return

    @functools.wraps(prepare)
    def announced(*args: Any, **kwargs: Any) -> Any:
        prepared = prepare(*args, **kwargs)
        latent = prepared[0] if isinstance(prepared, tuple | list) else prepared
        if isinstance(latent, Tensor):
            hear(latent)
        return prepared

    pipe.prepare_latents = announced
