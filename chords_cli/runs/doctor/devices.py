"""What a run computes on: torch, the driver, the devices, and how these are connected."""

import functools
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from chords_cli.engine.devices import Memory, checked_devices, device_memory, threads_each
from chords_cli.engine.exchange.links import links_between, peer_access
from chords_cli.engine.hosts.places import kind_of
from chords_cli.engine.start import ask
from chords_cli.engine.watch.server import has_died, lost_server
from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.installed import Libraries, look_at_libraries
from chords_cli.records.doctor import Check
from chords_cli.runs.doctor.checks import DEVICES, amount
from chords_cli.runs.doctor.installation import Package, find_package
from chords_cli.runs.doctor.notes import PATIENCE, Notes
from chords_cli.tools import run_tool

_ASK = ("nvidia-smi", "--query-gpu=driver_version,name", "--format=csv,noheader")

_SECONDS = 10.0
"""How long the driver's tool may take."""

_TAKEN = 0.5
"""The part of a device's memory that others may hold without a word here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Driver:
    """What NVIDIA's driver says of itself; `trouble` where its tool fails."""

    version: str = ""
    gpus: int = 0
    trouble: str | None = None


def ask_libraries(notes: Notes, pipeline: str) -> Libraries | None:
    """Asks torch what it is, in another process; None where it cannot be asked, which is noted."""
    try:
        return ask(functools.partial(look_at_libraries, pipeline), PATIENCE)
    except ChordsError as failed:
        error = lost_server() if has_died() else failed
    except OSError as failed:
        error = ChordsError(f"no process can be started: {failed}", "see what is said of disks")
    if cause := why_not("torch"):
        return Libraries(torch=None, broken={"torch": cause})
    if cause := why_not("diffusers"):
        notes.add(_broken("diffusers", find_package("diffusers"), cause))
    else:
        notes.add(DEVICES.refused("torch", error, notes.spell))
    return None


def look(notes: Notes, wanted: str | None, libraries: Libraries | None) -> tuple[str, ...]:
    """Makes the checks of this file; returns the devices to use, none where they are not known."""
    driver = ask_driver()
    if libraries is not None:
        package = find_package("torch")
        notes.add(check_torch(libraries, package, nvidia=bool(driver and driver.gpus)))
    notes.add(check_driver(driver, libraries))
    if libraries is None or libraries.torch is None:
        notes.add(DEVICES.fail("devices", "not known, since torch cannot be asked", "see above"))
        return ()
    names = [name.strip() for name in (wanted or "").split(",")] if wanted is not None else []
    own = notes.value(DEVICES, "devices", lambda: checked_devices(names))
    if not own:
        return ()
    notes.check(
        DEVICES,
        "devices",
        lambda: [check_device(name, memory) for name, memory in device_memory(own).items()],
    )
    notes.check(DEVICES, "links", lambda: _look_at_links(own))
    return own


def _look_at_links(own: Sequence[str]) -> Check:
    gpus = [name for name in own if kind_of(name) == "cuda"]
    if len(gpus) < 2:
        return check_links(own, {}, None)
    return check_links(own, links_between(), ask(functools.partial(peer_access, gpus), PATIENCE))


def ask_driver(line: Sequence[str] = _ASK, seconds: float = _SECONDS) -> Driver | None:
    """Asks NVIDIA's driver; None where there is no tool to ask it."""
    try:
        told = run_tool(line, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Driver(trouble=f"{line[0]} gives no answer for {seconds:g} s")
    except FileNotFoundError:
        return None
    except OSError as error:
        return Driver(trouble=f"{line[0]} cannot be run: {error.strerror or error}")
    rows = [row.partition(",")[0].strip() for row in told.stdout.splitlines() if "," in row]
    if told.returncode or not rows:
        said = (told.stdout + told.stderr).split() or ["nothing"]
        return Driver(trouble=f"{line[0]} says: {' '.join(said)[:200]}")
    return Driver(version=rows[0], gpus=len(rows))


def why_not(library: str, seconds: float = PATIENCE) -> str | None:
    """Imports a library in a process of its own; returns what went wrong, None if nothing did."""
    line = [sys.executable, "-P", "-c", f"import {library}"]
    try:
        done = run_tool(line, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"importing it takes more than {seconds:g} s"
    except OSError as error:
        return f"{sys.executable} cannot be started: {error.strerror or error}"
    if done.returncode < 0:
        return f"importing it ends Python by {signal.Signals(-done.returncode).name}"
    said = done.stderr.strip().splitlines() or ["it says nothing"]
    return said[-1][:300] if done.returncode else None


def check_torch(libraries: Libraries, package: Package | None, *, nvidia: bool) -> Check:
    """Looks at torch: whether it can be imported, its version, and what it was built for.

    Args:
        libraries: What torch says of itself.
        package: What is needed of it; None if that is not known.
        nvidia: Whether this machine has the driver of an NVIDIA GPU.
    """
    installed = libraries.torch or (package.installed if package else None)
    again = package.requirement if package else "pip install torch"
    if installed is None:
        return DEVICES.fail("torch", "it is not installed", again)
    if cause := libraries.broken.get("torch"):
        return _broken("torch", package, cause)
    found = f"{installed}, built for {libraries.build}"
    if package and not package.fits:
        return DEVICES.fail("torch", f"{found}; needed is {package.wanted}", again)
    if nvidia and libraries.build == "CPUs":
        return DEVICES.warn(
            "torch",
            f"{found}, so it cannot use this machine's NVIDIA GPU",
            "install a build for CUDA: https://pytorch.org/get-started/locally",
        )
    return DEVICES.ok("torch", found)


def _broken(name: str, package: Package | None, cause: str) -> Check:
    """Says why a library cannot be imported."""
    installed = (package.installed if package else None) or ""
    again = f"{name}=={installed.partition('+')[0]}" if installed else name
    return DEVICES.fail(
        name,
        f"{installed or 'it'} cannot be imported: {cause}",
        f"install it again: pip install --force-reinstall {again}",
    )


def check_driver(driver: Driver | None, libraries: Libraries | None) -> Check:
    """Looks at the driver, and at whether torch can use it."""
    if driver is None:
        return DEVICES.ok("driver", "no NVIDIA GPU here: there is no nvidia-smi")
    if driver.trouble:
        return DEVICES.warn(
            "driver",
            driver.trouble,
            "load the driver again or restart this machine; in a container, start it with its GPUs",
        )
    many = "1 GPU" if driver.gpus == 1 else f"{driver.gpus} GPUs"
    found = f"NVIDIA {driver.version} for {many}"
    if libraries and libraries.unusable:
        return DEVICES.warn(
            "driver",
            f"{found}, which torch cannot use: {libraries.unusable}",
            "update the driver, or install a build of torch for it",
        )
    return DEVICES.ok("driver", found)


def check_device(name: str, memory: Memory) -> Check:
    """Looks at one device and its memory."""
    size = "" if memory.total is None else amount(memory.total)
    if memory.free is not None:
        size = f"{amount(memory.free)} free of {size}"
    if name == "cpu":
        count = threads_each(1)
        processors = "1 processor" if count == 1 else f"{count} processors"
        return DEVICES.ok(name, f"{processors}, {size}")
    found = f"{memory.title}, {size}"
    if memory.free is not None and memory.total and memory.free < _TAKEN * memory.total:
        return DEVICES.warn(name, found, "something else holds the rest: see nvidia-smi")
    return DEVICES.ok(name, found)


def check_links(
    devices: Sequence[str],
    links: Mapping[tuple[str, str], str],
    peers: Sequence[tuple[str, str]] | None,
) -> Check:
    """Looks at how devices are connected.

    Args:
        devices: Those that a run may use.
        links: What joins every two GPUs, by the driver's names.
        peers: The pairs that can read each other's memory; None where nobody was asked.
    """
    own = [device for device in dict.fromkeys(devices) if kind_of(device) != "cpu"]
    if len(own) < 2:
        return DEVICES.ok("links", "1 device, so nothing to connect")
    parts = [_say_links(links)] if links else []
    if peers is not None:
        parts.append(_say_peers(own, peers))
    return DEVICES.ok("links", "; ".join(parts) or "not known: latents go through host memory")


def _say_links(links: Mapping[tuple[str, str], str]) -> str:
    """Says by what GPUs are joined: `NVLink (NV18) between every two`."""
    kinds = Counter(links.values())
    if len(kinds) == 1:
        (kind,) = kinds
        return f"{_name_link(kind)} between every two"
    rare = min(kinds, key=lambda kind: kinds[kind])
    pairs = ", ".join(f"{one}-{other}" for (one, other), kind in links.items() if kind == rare)
    others = ", ".join(_name_link(kind) for kind in kinds if kind != rare)
    return f"{_name_link(rare)} between {pairs}, else {others}"


def _name_link(kind: str) -> str:
    if re.fullmatch(r"NV\d+", kind):
        return f"NVLink ({kind})"
    return f"PCIe ({kind})" if kind in ("PIX", "PXB", "PHB", "NODE", "SYS") else kind or "unknown"


def _say_peers(devices: Sequence[str], peers: Sequence[tuple[str, str]]) -> str:
    pairs = list(combinations(devices, 2))
    lacking = [f"{one}-{other}" for one, other in pairs if (one, other) not in peers]
    if not lacking:
        return "each reads the others' memory"
    if len(lacking) == len(pairs):
        return "none reads another's memory"
    return f"each reads the others' memory, except {', '.join(lacking)}"
