"""The JSON of `chords presets`: a row per preset, and the facts that are not in a preset's file."""

from typing import Literal

from chords_cli.records.recipe import Record
from chords_cli.records.run import CoreWeights


class LicenseFacts(Record):
    """The licence of the weights; a `gated` repository needs it to be accepted, and a token."""

    name: str
    gated: bool
    url: str | None


class PlanFacts(Record):
    """The plan that a preset runs with when no option changes it.

    Attributes:
        init_t: None for algorithms that have no starts.
        rounds: The rounds until the result, or at most that many if a residual decides.
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
    """What is not in a preset's file: its plan in numbers, and its model on this machine."""

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
