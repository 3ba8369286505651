"""How devices can be laid out, as `chords plan --devices N --json` says it."""

from collections.abc import Mapping

from chords_cli.records.recipe import Record


class GainsRecord(Record):
    """How many times sooner several devices do an evaluation (`runs.settings.layouts.layout`).

    Attributes:
        measured: Which of the two the user has measured; the other is assumed.
    """

    split: float
    context: Mapping[int, float]
    measured: tuple[str, ...]


class LayoutRecord(Record):
    """One layout.

    Attributes:
        groups: How many pictures are made at a time.
        cores: Of every picture.
        guidance_split: Whether every core has two devices for the halves of guidance.
        context: How many devices share the tokens.
        devices: How many devices it takes.
        rounds: Of a picture, or its steps if all of them are taken.
        speedup: Against one device that takes every step of every picture, ideally.
        exact: Whether it makes what the stock pipeline makes.
        error: The expected median distance to that, latent RMSE; None if that was not measured.
        within: What nine in ten samples are within.
    """

    groups: int
    cores: int
    guidance_split: bool
    context: int
    devices: int
    rounds: int
    speedup: float
    exact: bool
    error: float | None = None
    within: float | None = None


class LayoutsRecord(Record):
    """The layouts of a model on so many devices, the best first.

    Attributes:
        exact: Whether only layouts were asked for that make what the stock pipeline makes.
    """

    preset: str
    steps: int
    guidance: float
    devices: int
    pictures: int
    exact: bool
    gains: GainsRecord
    layouts: tuple[LayoutRecord, ...]
