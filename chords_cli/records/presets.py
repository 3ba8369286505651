"""The JSON of `chords presets`: a row per preset, and the facts that are not in a preset's file."""

from typing import Literal

from chords_cli.records.layouts import LayoutRecord
from chords_cli.records.recipe import Record
from chords_cli.records.run import CoreWeights

EIGHT = 8
"""The devices for which the list names a layout: as many as a large host has."""


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


class StartFacts(Record):
    """Files that a model starts from.

    Attributes:
        role: What they are for, by the option that names them.
        required: Whether nothing can be made without one.
        several: Whether several are parts of one result.
        pipeline: The class that takes them; None for the preset's own.
    """

    role: str
    required: bool
    several: bool
    pipeline: str | None


class Facts(Record):
    """What is not in a preset's file.

    Attributes:
        tasks: What the model does; the first is what it was made for.
        starts: The files that it starts from, those first that it needs.
        plan: The preset's own plan, in numbers.
        layout: How `EIGHT` devices make one picture where no link is fast; None where the preset
            says how many cores a picture has.
        cores_help: Whether several cores are sooner than one, which few steps do not allow.
        weights: The model on this machine.
    """

    tasks: tuple[str, ...]
    starts: tuple[StartFacts, ...]
    plan: PlanFacts
    layout: LayoutRecord | None
    cores_help: bool
    weights: WeightsFacts


class PresetFacts(Facts):
    """What is not in a preset's file, with the memory of its weights."""

    memory: tuple[CoreWeights, ...]


class _Named(Record):
    name: str
    file: str
    origin: Literal["shipped", "user"]
    title: str
    kind: Literal["image", "video"]
    source: str
    license: LicenseFacts


class PresetRow(Facts, _Named):
    """A preset in the list."""


class UnreadableRow(Record):
    """A preset in the list that cannot be read, and why."""

    name: str
    file: str
    origin: Literal["shipped", "user"]
    error: str
