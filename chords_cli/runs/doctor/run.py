"""Examines this machine, one topic after the other, for one model."""

import time
from collections.abc import Callable
from contextlib import suppress

import chords_cli
from chords_cli.engine.start import preload
from chords_cli.errors import ChordsError, Spell
from chords_cli.hub.cache import Weights
from chords_cli.models.weights import find_weights
from chords_cli.records.doctor import Check, DoctorRecord, State
from chords_cli.runs.doctor import cores, devices, installation, machine, model
from chords_cli.runs.doctor.checks import MODEL
from chords_cli.runs.doctor.notes import Notes
from chords_cli.runs.settings.first_checks import find_preset
from chords_cli.runs.settings.options.request import Request

_WORST_FIRST: tuple[State, ...] = ("fail", "warn", "ok")


def examine(
    name: str | None, wanted: str | None, *, listener: Callable[[Check], None], spell: Spell
) -> DoctorRecord:
    """Looks at all that a run with a model on devices of this machine needs.

    Args:
        name: The model; None for the built-in one.
        wanted: The devices, as options name them; None for all.
        listener: Told every check as soon as it is made.
        spell: How hints write options.

    Raises:
        UsageError: There is no such model.
    """
    began = time.monotonic()
    preset = find_preset(Request(kind="image", model=name))
    with suppress(ChordsError, OSError):  # told once processes are to start
        preload(preset.pipeline)
    notes = Notes(listener, spell)
    installation.look(notes, preset.kind)
    found = notes.value(MODEL, "weights", lambda: find_weights(preset))
    weights = found or Weights("absent", None, 0)
    machine.look(notes, needed=model.left_to_fetch(preset, weights), weights=weights)
    libraries = devices.ask_libraries(notes, preset.pipeline)
    own = devices.look(notes, wanted, libraries)
    request = Request(kind=preset.kind, prompts=("-",), devices=",".join(own) or None)
    settings = model.look(notes, preset, request if own else None, weights, libraries)
    cores.look(notes, preset, settings, weights)
    states = {check.state for check in notes.checks}
    return DoctorRecord(
        schema=1,
        command="doctor",
        version=chords_cli.__version__,
        model=preset.name,
        devices=own,
        state=next(state for state in _WORST_FIRST if state in states),
        checks=tuple(notes.checks),
        seconds=round(time.monotonic() - began, 2),
    )
