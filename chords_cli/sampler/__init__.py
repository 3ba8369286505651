"""The mathematics: plans of integers, the arithmetic of a core, and the single-process oracle.

`Plan`, `chords_plan` and `default_init_t` need no torch; `simulate` and what it needs are
imported when first asked for. Nothing here knows processes, pipelines or presets.
"""

from typing import TYPE_CHECKING, Any

from chords_cli.sampler.plan import Hit, Message, Plan, chords_plan, sequential_plan
from chords_cli.sampler.rounds import default_rounds
from chords_cli.sampler.starts import default_init_t
from chords_cli.sampler.wavefront import wavefront_plan

if TYPE_CHECKING:
    from chords_cli.sampler.oracle import Output, simulate

__all__ = [
    "Hit",
    "Message",
    "Output",
    "Plan",
    "chords_plan",
    "default_init_t",
    "default_rounds",
    "sequential_plan",
    "simulate",
    "wavefront_plan",
]


def __getattr__(name: str) -> Any:
    if name not in ("Output", "simulate"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from chords_cli.sampler import oracle

    return getattr(oracle, name)
