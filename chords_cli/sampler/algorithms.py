"""The arithmetic of every algorithm, by the name that its plans carry."""

from chords_cli.sampler.chords import ChordsCore
from chords_cli.sampler.core import Core, Link, Solver
from chords_cli.sampler.lone_core import LoneCore
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.wavefront_core import WavefrontCore

CORES: dict[str, type[ChordsCore] | type[WavefrontCore]] = {
    "sequential": ChordsCore,
    "chords": ChordsCore,
    "wavefront": WavefrontCore,
}


def start_core(plan: Plan, core: int, solver: Solver, link: Link) -> Core:
    """Makes the core `core` of `plan`, before its first round."""
    alone = plan.algo == "wavefront" and plan.cores == 1
    return (LoneCore if alone else CORES[plan.algo])(plan, core, solver, link)
