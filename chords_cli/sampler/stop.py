"""When a run has its result: at a known output, or at the first one that moved little."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from chords_cli.errors import UsageError
from chords_cli.sampler.plan import Plan


@dataclass(frozen=True, slots=True)
class StopRule:
    """Which output is the result.

    Attributes:
        criterion: `core_index` stops at output `index`; `residual` at the first output whose
            residual against the one before it is below `residual`, at the latest at core 0's.
        index: The output's index, 0 (the preview) to K (the exact result).
        residual: RMS in latent units.
    """

    criterion: Literal["core_index", "residual"] = "core_index"
    index: int = 1
    residual: float | None = None

    @property
    def fixed(self) -> int | None:
        """The index of the result where it is known before the run; None under `residual`."""
        return self.index if self.criterion == "core_index" else None

    def latest(self, plan: Plan) -> int:
        """Returns the index of the result at the latest: core 0's where only the run can tell."""
        return plan.hits[-1].index if self.fixed is None else self.fixed

    def decoders(self, plan: Plan, *, keep: bool = False) -> frozenset[int]:
        """Returns the cores that may be asked to decode; with `keep` all that make an output."""
        if keep or self.fixed is None:
            return frozenset(hit.core for hit in plan.hits)
        return frozenset({plan.hits[self.fixed].core})

    def accepts(self, index: int, residual: float | None, last: int) -> bool:
        """Tells whether output `index` of outputs 0 .. `last` is the result."""
        if self.fixed is not None:
            return index == self.fixed
        assert self.residual is not None
        return index == last or (index > 0 and residual is not None and residual < self.residual)


def resolve_stop(
    default: StopRule,
    cores: int,
    *,
    stop_index: int | None = None,
    stop_residual: float | None = None,
) -> StopRule:
    """Chooses which output of `cores` cores is the result; as in `default` where nothing is given.

    Raises:
        UsageError: Both options are given, or a value is out of range.
    """
    if stop_index is not None and stop_residual is not None:
        raise UsageError(
            "{stop_index} and {stop_residual} exclude each other",
            "give one of them",
            {"stop_index": stop_index, "stop_residual": stop_residual},
        )
    if stop_index is not None:
        _check_stop_index(stop_index, cores)
        return StopRule("core_index", index=stop_index)
    if stop_residual is not None:
        if not (math.isfinite(stop_residual) and stop_residual > 0):
            raise UsageError(
                f"stop_residual is {stop_residual:g}, but a residual is finite and above 0",
                "try {stop_residual}",
                {"stop_residual": 0.05},
            )
        return StopRule("residual", residual=stop_residual)
    return replace(default, index=min(default.index, cores))


def _check_stop_index(index: int, cores: int) -> None:
    if not 0 <= index <= cores:
        raise UsageError(
            f"stop_index is {index}, but {cores} {'core makes' if cores == 1 else 'cores make'} "
            f"outputs 0 to {cores}",
            "try {stop_index}",
            {"stop_index": 1},
        )
