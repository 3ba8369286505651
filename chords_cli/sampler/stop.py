"""When a run has its result: at a known output, or at the first one that moved little."""

from dataclasses import dataclass
from typing import Literal

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
