"""Compares what a run takes at least with the memory that is free; refuses what cannot fit."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chords_cli.engine.devices import Memory, device_memory
from chords_cli.engine.hosts.places import split_host
from chords_cli.errors import ChordsError, UsageError, all_of, verbatim
from chords_cli.models.least_memory import least_picture, least_weights
from chords_cli.models.memory import estimate_memory
from chords_cli.models.weights import model_folder
from chords_cli.presets.schema import Preset

_SMALL = 1 << 30
"""Every accelerator has as much, and asking one takes a moment."""

_TIGHT = 0.8
"""The part of the free memory above which little is left for what comes on top."""

_HOST = "cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What the memory of a run depends on.

    `devices` has one entry per process, `members` of them per core; `decoders` are cores of each of
    the `groups`; core 0 of each `sees` what a run starts from, or there is nothing to see.
    """

    preset: Preset
    dtype: str
    call: Mapping[str, Any]
    devices: Sequence[str]
    decoders: Collection[int]
    members: int = 1
    groups: int = 1
    sees: bool = False

    @property
    def processes(self) -> str:
        """What to call them."""
        return "cores" if self.members == 1 else "processes"

    @property
    def decoding(self) -> frozenset[int]:
        """The processes that may decode: the leads of `decoders`, in every group."""
        leads = [core * self.members for core in self.decoders]
        return frozenset(first + lead for first in self.encoding for lead in leads)

    @property
    def encoding(self) -> range:
        """The processes that encode prompts: the first of every group."""
        return range(0, len(self.devices), len(self.devices) // self.groups)


class DoesNotFitError(UsageError):
    """What a run takes for certain is more than what is free."""


def check_memory(demand: Demand, *, guess: bool = False) -> str | None:
    """Refuses a run that its devices or the host cannot hold; returns a note if it is tight.

    Args:
        demand: What the run takes.
        guess: Whether a model that is not here counts as large as its preset says. A note tells of
            it otherwise, since nothing can be run yet.

    Raises:
        DoesNotFitError: What the run takes for certain is more than what is free.
    """
    folder: Path | None = None
    with suppress(ChordsError):
        folder = model_folder(demand.preset)
    needs, notes = _needs(demand, folder), []
    for device, memory in _memory(needs).items():
        need, free = needs[device], memory.total if memory.free is None else memory.free
        if free is None:
            continue
        of = f" of {_gb(memory.total)}" if memory.free is not None and memory.total else ""
        has = f"{device} has {_gb(free)} free{of}"
        if need.pixels > free:
            raise _too_large(demand, f"{_gb(need.pixels)} of memory, but {has}")
        if need.least > free and (folder is not None or guess):
            raise _too_heavy(demand, device, need, free, has)
        if need.least > _TIGHT * free:
            fits = "is tight" if need.least <= free else "will not fit"
            held = demand.devices.count(device)
            takes = f"its {held} {demand.processes} take together" if held > 1 else "it takes"
            notes.append(f"{demand.preset.name} {fits}: {takes} {need}, and {has}")
    return "\n".join(notes) or None


def fitting_folder(demand: Demand) -> Path:
    """Returns the folder of the model on this machine.

    Raises:
        UsageError: The model is not here; says as well if it would not fit, so that nobody
            downloads it in vain.
    """
    try:
        return model_folder(demand.preset)
    except UsageError as missing:
        try:
            check_memory(demand, guess=True)
        except DoesNotFitError as error:
            but = f"; but it does not fit: {verbatim(error.message)}"
            raise missing.reworded("{message}", f"{{hint}}{but}") from error
        raise


@dataclass(frozen=True, kw_only=True, slots=True)
class _Need:
    """The bytes that all processes on a device, or on the host, take together.

    Attributes:
        pixels: Of a decoded picture.
        weights: As far as they are certain; what processes share counts once.
        copies: Of the weights, where every process has its own.
    """

    pixels: int
    weights: int = 0
    copies: int = 0

    @property
    def least(self) -> int:
        return self.pixels + self.weights

    def __str__(self) -> str:
        least, apart = _gb(self.least), _gb(self.pixels + self.copies)
        shared = "" if least == apart else f" (they share weights; {apart} without)"
        return f"at least {least} of memory{shared}"


def _needs(demand: Demand, folder: Path | None) -> Mapping[str, _Need]:
    preset, dtype, devices = demand.preset, demand.dtype, demand.devices
    needs = {device: _Need(pixels=size) for device, size in _pixels(demand, folder).items()}
    try:
        cores = estimate_memory(
            preset,
            dtype,
            len(devices),
            demand.decoding,
            folder,
            demand.encoding,
            sees=demand.sees,
        )
        for device in dict.fromkeys(devices):
            held = [core for core in cores if devices[core["core"]] == device]
            weights, copies = (
                least_weights(preset, dtype, folder, held, device, copies=copies)
                for copies in (False, True)
            )
            needs[device] = replace(needs[device], weights=weights, copies=copies)
    except (OSError, ValueError):  # a core reports which file cannot be read
        return needs
    return needs


def _pixels(demand: Demand, folder: Path | None) -> dict[str, int]:
    """Returns the bytes of a decoded picture per device and on the host."""
    decoded, handed = least_picture(demand.preset, demand.dtype, demand.call, folder)
    decoding = {demand.devices[rank] for rank in demand.decoding}
    pixels = {device: decoded if device in decoding else 0 for device in demand.devices}
    return pixels | {_HOST: max(handed, pixels.get(_HOST, 0))}


def _memory(needs: Mapping[str, _Need]) -> dict[str, Memory]:
    """Returns the memory of this host, and of those accelerators where it may matter."""
    own = {device: need for device, need in needs.items() if not split_host(device)[0]}
    asked = [device for device, need in own.items() if device == _HOST or need.least > _SMALL]
    with suppress(ChordsError):  # the cores report what is wrong with a device
        return device_memory(asked)
    return {}


def _too_large(demand: Demand, takes: str) -> DoesNotFitError:
    """Returns the error for a picture or video that cannot be decoded."""
    sizes = {"width": "width", "height": "height", "frames": "num_frames"}
    wanted = {option: demand.call[name] for option, name in sizes.items() if name in demand.call}
    own = {option: demand.preset.call.get(sizes[option]) for option in wanted}
    options = [f"{{{option}}}" for option in wanted]
    article = "an" if demand.preset.kind == "image" else "a"
    what = all_of([f"{option} {value}" for option, value in wanted.items()])
    return DoesNotFitError(
        f"{article} {demand.preset.kind} with {what} takes at least {takes}",
        f"try {all_of(options)}" if own != wanted else "choose a smaller model",
        own,
    )


def _too_heavy(demand: Demand, device: str, need: _Need, free: int, has: str) -> DoesNotFitError:
    """Returns the error for weights that a device cannot hold."""
    held, name = demand.devices.count(device), demand.preset.name
    most = int(held * free / need.least) * len(set(demand.devices)) // demand.members
    helps = most and need.weights == need.copies
    fewer = f"use {{cores}}{' or fewer' if most > 1 else ''}, or " if helps else ""
    share = f"{held} {demand.processes} of {name} take together" if held > 1 else f"{name} takes"
    return DoesNotFitError(
        f"{share} {need}, but {has}",
        f"{fewer}choose a smaller model, or {{devices:name}} with more memory",
        {"cores": most, "devices": None},
    )


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
