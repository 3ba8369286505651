"""Compares what a run takes at least with the memory that is free; refuses what cannot fit."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chords_cli.engine.devices import Memory, device_memory
from chords_cli.errors import ChordsError, UsageError
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

    `devices` has one entry per process, `members` of them per core; `decoders` are cores.
    """

    preset: Preset
    dtype: str
    call: Mapping[str, Any]
    devices: Sequence[str]
    decoders: Collection[int]
    members: int = 1

    @property
    def decoding(self) -> frozenset[int]:
        """The processes that may decode: the leads of `decoders`."""
        return frozenset(core * self.members for core in self.decoders)


def check_memory(demand: Demand, *, guess: bool = False) -> str | None:
    """Refuses a run that its devices or the host cannot hold; returns a note if it is tight.

    Args:
        demand: What the run takes.
        guess: Whether a model that is not here counts as large as its preset says. A note tells of
            it otherwise, since nothing can be run yet.

    Raises:
        UsageError: What the run takes for certain is more than what is free.
    """
    folder: Path | None = None
    with suppress(ChordsError):
        folder = model_folder(demand.preset)
    weights, pixels = _weights(demand, folder), _pixels(demand, folder)
    needs = {device: weights.get(device, 0) + decoded for device, decoded in pixels.items()}
    notes = []
    for device, free in _free_memory(needs).items():
        need, has = needs[device], f"{device} has {_gb(free)} free"
        if pixels[device] > free:
            raise _too_large(demand, f"{_gb(pixels[device])} of memory, but {has}")
        if need > free and (folder is not None or guess):
            raise _too_heavy(demand, device, need, free)
        if need > _TIGHT * free:
            fits = "is tight" if need <= free else "will not fit"
            takes = f"it takes at least {_gb(need)} of memory, and {has}"
            notes.append(f"{demand.preset.name} {fits}: {takes}")
    return "\n".join(notes) or None


def _weights(demand: Demand, folder: Path | None) -> Mapping[str, int]:
    """Returns the bytes of the weights per device, as far as they are certain."""
    preset, dtype, devices = demand.preset, demand.dtype, demand.devices
    found = {}
    try:
        cores = estimate_memory(preset, dtype, len(devices), demand.decoding, folder)
        for device in dict.fromkeys(devices):
            held = [core for core in cores if devices[core["core"]] == device]
            found[device] = least_weights(preset, dtype, folder, held, device)
    except (OSError, ValueError):  # a core reports which file cannot be read
        return {}
    return found


def _pixels(demand: Demand, folder: Path | None) -> dict[str, int]:
    """Returns the bytes of a decoded picture per device and on the host."""
    decoded, handed = least_picture(demand.preset, demand.dtype, demand.call, folder)
    decoding = {demand.devices[rank] for rank in demand.decoding}
    pixels = {device: decoded if device in decoding else 0 for device in demand.devices}
    return pixels | {_HOST: max(handed, pixels.get(_HOST, 0))}


def _free_memory(needs: Mapping[str, int]) -> dict[str, int]:
    """Returns what is free on the host, and on those accelerators where it may matter."""
    asked = [device for device, need in needs.items() if device == _HOST or need > _SMALL]
    found: dict[str, Memory] = {}
    with suppress(ChordsError):  # the cores report what is wrong with a device
        found = device_memory(asked)
    rooms = {device: has.total if has.free is None else has.free for device, has in found.items()}
    return {device: free for device, free in rooms.items() if free is not None}


def _too_large(demand: Demand, takes: str) -> UsageError:
    """Returns the error for a picture or video that cannot be decoded."""
    sizes = {"width": "width", "height": "height", "frames": "num_frames"}
    wanted = {option: demand.call[name] for option, name in sizes.items() if name in demand.call}
    own = {option: demand.preset.call.get(sizes[option]) for option in wanted}
    options = [f"{{{option}}}" for option in wanted]
    article = "an" if demand.preset.kind == "image" else "a"
    what = _joined([f"{option} {value}" for option, value in wanted.items()])
    return UsageError(
        f"{article} {demand.preset.kind} with {what} takes at least {takes}",
        f"try {_joined(options)}" if own != wanted else "choose a smaller model",
        own,
    )


def _too_heavy(demand: Demand, device: str, need: int, free: int) -> UsageError:
    """Returns the error for weights that a device cannot hold."""
    held = demand.devices.count(device)
    most = int(held * free / need) * len(set(demand.devices)) // demand.members
    fewer = "use {cores} or fewer, or " if most and device != _HOST else ""
    name = demand.preset.name
    what = "cores" if demand.members == 1 else "processes"
    share = f"{held} {what} of {name} take" if held > 1 else f"{name} takes"
    return UsageError(
        f"{share} at least {_gb(need)} of memory, but {device} has {_gb(free)} free",
        f"{fewer}choose a smaller model, or {{devices:name}} with more memory",
        {"cores": most, "devices": None},
    )


def _joined(words: Sequence[str]) -> str:
    """Joins words: `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
