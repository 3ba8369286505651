"""The record of what every core did when, as `compare.json` contains it."""

from typing import Literal

from pydantic import Field

from chords_cli.records.recipe import Record

What = Literal["encode", "compute", "wait", "decode"]


class SpanRecord(Record):
    """What a core did for a while; for a step also its round and its grid steps."""

    what: What
    start: float
    stop: float
    round: int | None = None
    step: int | None = Field(default=None, validation_alias="from", serialization_alias="from")
    until: int | None = Field(default=None, validation_alias="to", serialization_alias="to")


class CoreTimeline(Record):
    """What a core did, in order; it was idle in between."""

    core: int
    device: str
    spans: tuple[SpanRecord, ...]


class MessageRecord(Record):
    """A latent that one core sent to the next, and how far it moved the receiver's latent."""

    round: int
    sender: int = Field(validation_alias="from", serialization_alias="from")
    receiver: int = Field(validation_alias="to", serialization_alias="to")
    sent: float
    received: float
    correction: float | None


class ArrivalRecord(Record):
    """The arrival of an output, and whether that output is the result."""

    index: int
    core: int
    round: int
    at: float
    chosen: bool


class Timeline(Record):
    """One run of one sample; all times are seconds since it began."""

    seconds: float
    cores: tuple[CoreTimeline, ...]
    messages: tuple[MessageRecord, ...]
    outputs: tuple[ArrivalRecord, ...]
