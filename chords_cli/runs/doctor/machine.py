"""What this machine has, whatever the model: a network interface, and room on its disks."""

import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chords_cli.engine.exchange.network import INTERFACE, LOOPBACK, check_interface, way_to_meet
from chords_cli.errors import ChordsError, Spell
from chords_cli.hub.cache import Weights, cache_folder
from chords_cli.records.doctor import Check
from chords_cli.runs.doctor.checks import MACHINE, amount
from chords_cli.runs.doctor.notes import Notes

_LITTLE = 1_000_000_000
"""Bytes below which a disk is nearly full."""

_BLOCK = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """A folder in which files will be written, or the nearest one above it that exists.

    Attributes:
        free: The bytes that are free; None if that cannot be found out.
        trouble: Why nothing can be written; None if it can.
    """

    folder: Path
    free: int | None
    trouble: str | None = None


def look(notes: Notes, *, needed: int, weights: Weights) -> None:
    """Makes the checks of this file.

    Args:
        notes: Where they go.
        needed: How many bytes of a model are still to be fetched.
        weights: What is here of it.
    """
    notes.check(MACHINE, "system", lambda: MACHINE.ok("system", platform.platform()))
    notes.check(MACHINE, "network", lambda: check_network(notes.spell))
    output = Path("outputs").absolute()
    elsewhere = notes.spell("output", None)
    notes.check(
        MACHINE,
        "output",
        lambda: check_room("output", look_at_room(output), f"name another folder with {elsewhere}"),
    )
    cache, other = cache_folder(), "set HF_HOME to a folder with more room"
    notes.check(
        MACHINE,
        "cache",
        lambda: check_room(
            "cache",
            look_at_room(cache),
            other,
            needed=needed,
            optional=weights.state == "complete",
        ),
    )
    notes.check(MACHINE, "temporary", check_temporary)


def look_at_room(folder: Path) -> Room:
    """Tries to write a little, and deletes it again."""
    free = None
    try:
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.is_dir():
            return Room(folder=folder, free=None, trouble=f"{nearest} is a file")
        free = shutil.disk_usage(nearest).free
        with tempfile.TemporaryFile(dir=nearest, prefix=".chords-") as file:
            file.write(bytes(_BLOCK))
            file.flush()
    except OSError as error:
        return Room(folder=folder, free=free, trouble=error.strerror or str(error))
    return Room(folder=folder, free=free)


def check_room(
    name: str, room: Room, remedy: str, *, needed: int = 0, optional: bool = False
) -> Check:
    """Looks at whether files can be written, and how many bytes.

    Args:
        name: What they are.
        room: Where.
        remedy: What to do if they cannot.
        needed: As many bytes will come for certain.
        optional: Whether a run may do without.
    """
    free = "" if room.free is None else f", {amount(room.free)} free"
    if room.trouble:
        state = MACHINE.warn if optional else MACHINE.fail
        return state(name, f"{room.folder} cannot be written: {room.trouble}{free}", remedy)
    if needed and room.free is not None and needed > room.free:
        found = f"{room.folder}{free}, but {amount(needed)} are to be fetched"
        return MACHINE.fail(name, found, f"free some, or {remedy}")
    more = f"; {amount(needed)} are to be fetched" if needed else ""
    if room.free is not None and room.free - needed < _LITTLE:
        return MACHINE.warn(name, f"{room.folder}{free}{more}", f"free some, or {remedy}")
    return MACHINE.ok(name, f"{room.folder}{free}{more}")


def check_temporary() -> Check:
    """Looks at the folder for temporary files, in which processes find one another."""
    remedy, given = "set TMPDIR to a folder that can be written", os.environ.get("TMPDIR")
    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        return MACHINE.fail("temporary", error.strerror or str(error), remedy)
    if given and Path(given).absolute() != Path(folder).absolute():
        found = f"TMPDIR is {given}, which cannot be used: temporary files go to {folder}"
        return MACHINE.warn("temporary", found, remedy)
    return check_room("temporary", look_at_room(Path(folder)), remedy)


def check_network(spell: Spell) -> Check:
    """Looks at the interface on which cores meet."""
    import psutil

    try:
        check_interface()
    except ChordsError as error:
        return MACHINE.refused("network", error, spell)
    given = os.environ.get(INTERFACE)
    name, found = given or LOOPBACK, psutil.net_if_stats()
    how = f"as {INTERFACE} says" if given else "this host's loopback"
    names = name.split(",")
    if not any(one in found for one in names):
        return MACHINE.fail("network", "there is no network interface", way_to_meet())
    if down := [one for one in names if one in found and not found[one].isup]:
        found_down = f"cores meet on {name}, {how}, but {down[0]} is down"
        return MACHINE.fail("network", found_down, way_to_meet())
    return MACHINE.ok("network", f"cores meet on {name}, {how}")
