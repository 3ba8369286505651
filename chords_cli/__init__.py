"""Chords: one diffusion sample sooner, by solving its ODE on several GPUs at once.

The names below are the Python API (see docs/python.md). Each is imported when it is first used, so
that `chords --help` waits for nothing. Everything else may change between versions, except
`chords_cli.sampler`, which is for those who study samplers.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chords_cli.api import Chords
    from chords_cli.errors import ChordsError
    from chords_cli.sample import Output, Sample
    from chords_cli.sampler.choice import plan
    from chords_cli.sampler.plan import Plan
    from chords_cli.sampler.stop import StopRule

__version__ = "0.1.0"

__all__ = ["Chords", "ChordsError", "Output", "Plan", "Sample", "StopRule", "plan"]

_HOMES = {
    "ChordsError": "errors",
    "Output": "sample",
    "Plan": "sampler.plan",
    "Sample": "sample",
    "StopRule": "sampler.stop",
    "plan": "sampler.choice",
}
"""The modules of the names that are not defined in `api`."""


if not TYPE_CHECKING:  # or checkers would take any name for one of these

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'api')}"), name)
