"""What `chords presets --json` has: a row per preset, and the facts that its file does not tell."""

from typing import Literal

from chords_cli.records.recipe import Record
from chords_cli.records.run import CoreWeights


class LicenseFacts(Record):
    """The licence of the weights; `gated` repositories want it accepted and a token."""

    name: str
    gated: bool
    url: str | None


class PlanFacts(Record):
    """The plan that a preset runs with when no option changes it.

    Attributes:
        init_t: None for algorithms that have no starts.
        rounds: Until the result; at the latest, where a residual decides.
        speedup: The steps over these rounds.
    """

    algo: str
    cores: int
    steps: int
    init_t: tuple[int, ...] | None
    rounds: int
    speedup: float


class WeightsFacts(Record):
    """The model's files on this machine (see `hub.Weights`)."""

    state: Literal["complete", "partial", "absent"]
    folder: str | None
    bytes: int


class PresetFacts(Record):
    """What the file of a preset does not tell: its plan in numbers, and what this machine has."""

    plan: PlanFacts
    weights: WeightsFacts
    memory: tuple[CoreWeights, ...]


class PresetRow(Record):
    """A preset in the list."""

    name: str
    file: str
    origin: Literal["shipped", "user"]
    title: str
    kind: Literal["image", "video"]
    source: str
    license: LicenseFacts
    plan: PlanFacts
    weights: WeightsFacts


class UnreadableRow(Record):
    """A preset in the list that cannot be read, and why."""

    name: str
    file: str
    origin: Literal["shipped", "user"]
    error: str
