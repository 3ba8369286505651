"""What an exchange is tried with: processes that hand a latent on as cores do; no model runs.

`chords doctor` tries two of them, `python -m benchmarks.hops` measures many. `trials.trying` starts
them, `trials.rounds` is what they do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from chords_cli.engine.exchange.line import Line

WARM_UP = 3
"""Rounds that do not count: connections open, memory is touched for the first time."""

Round = Callable[[int], None]
"""What a core does in a round."""

Way = Callable[[int, "Trial", "Line", "Tensor"], Round]
"""Prepares a core's part: its number, the trial, its line, and a latent like those that travel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What all processes of a trial are told.

    Attributes:
        devices: Where each of them has its latent.
        elements: How many float32 numbers a latent has.
        repeats: How many rounds of each kind count.
        warm_up: How many do not.
        patience: Seconds that all of it may take, and that one waits for another.
    """

    devices: tuple[str, ...]
    elements: int
    repeats: int
    warm_up: int = WARM_UP
    patience: float = 60.0

    @property
    def cores(self) -> int:
        """How many processes take part."""
        return len(self.devices)

    @property
    def rounds(self) -> int:
        """How many rounds there are: with a pause before each, and then without."""
        return 2 * (self.repeats + self.warm_up)


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """The seconds of a trial.

    Attributes:
        rounds: From the moment at which core 0 begins until the last core has its new latent.
        own: Of a round where rounds follow one another without a pause.
    """

    rounds: tuple[float, ...]
    own: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What one process saw: when every round began on the first core or ended on the last one."""

    at: tuple[float, ...]
    own: float
