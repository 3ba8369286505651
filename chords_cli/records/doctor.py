"""What `chords doctor` found, as its `--json` says it."""

from typing import Literal

from pydantic import Field

from chords_cli.records.recipe import Record

State = Literal["ok", "warn", "fail"]


class Check(Record):
    """One line of an examination.

    Attributes:
        topic: What it belongs to, such as `devices`.
        name: What was looked at.
        state: `fail` if a run with this model on these devices would not work, or not be possible.
        found: What is there, with the actual values.
        remedy: What to do about it; empty where there is nothing to do.
    """

    topic: str
    name: str
    state: State
    found: str
    remedy: str


class DoctorRecord(Record):
    """An examination of this machine, for one model.

    Attributes:
        devices: Those that were examined; empty where they are not known.
        state: The worst of all checks.
        seconds: How long it took.
    """

    schema_: Literal[1] = Field(alias="schema")
    command: Literal["doctor"]
    version: str
    model: str
    devices: tuple[str, ...]
    state: State
    checks: tuple[Check, ...]
    seconds: float
