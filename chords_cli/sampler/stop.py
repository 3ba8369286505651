"""When a run has its result: at a known output, or at the first one that moved little."""

from dataclasses import dataclass
from typing import Literal


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

    def accepts(self, index: int, residual: float | None, last: int) -> bool:
        """Whether output `index` of outputs 0 .. `last` is the result."""
        if self.criterion == "core_index":
            return index == self.index
        assert self.residual is not None
        return index == last or (index > 0 and residual is not None and residual < self.residual)
