"""Which devices this machine has, with how much memory, and how its processors are shared.

Torch knows, and is asked in a process of its own (`engine.start`): importing it here would take
longer than everything else that happens before a run starts.
"""

import functools
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from chords_cli.engine.hosts.places import split_host
from chords_cli.engine.start import ask
from chords_cli.errors import UsageError, verbatim
from chords_cli.pipelines.load.spec import ACCELERATORS, STREAMING


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """A device's memory in bytes, as far as it is known, and the name that its maker gave it."""

    title: str
    total: int | None = None
    free: int | None = None


@functools.cache
def available_devices() -> tuple[str, ...]:
    """Returns the devices that torch can use on this machine: accelerators, else `cpu`.

    Raises:
        ChordsError: Torch cannot be asked.
    """
    return tuple(ask(find_devices)) or ("cpu",)


def devices_of(kind: str) -> tuple[str, ...]:
    """Returns the devices of this machine that are of a kind, such as `cuda`."""
    return tuple(device for device in available_devices() if device.partition(":")[0] == kind)


def device_memory(devices: Collection[str]) -> dict[str, Memory]:
    """Measures the memory of these devices; asking takes a moment on each of them.

    That of devices on another host is not known.

    Raises:
        ChordsError: Torch cannot be asked.
    """
    elsewhere = {name: Memory(title="on another host") for name in devices if split_host(name)[0]}
    own = [device for device in dict.fromkeys(devices) if device not in (*elsewhere, "cpu")]
    found = elsewhere | (ask(functools.partial(measure_devices, own)) if own else {})
    return {device: found.get(device) or _host_memory() for device in dict.fromkeys(devices)}


def checked_devices(requested: Sequence[str]) -> tuple[str, ...]:
    """Returns `requested` as torch writes them, once each; all devices when it is empty.

    Raises:
        UsageError: A device that torch does not know or this machine does not have.
    """
    names = [_as_torch_writes(device) for device in requested]  # before the machine is asked
    for device, name in zip(requested, names, strict=True):
        _check_present(device, name)
    return tuple(dict.fromkeys(names)) or available_devices()


def find_devices() -> list[str]:
    """Finds the accelerators that torch can use, in the process that calls this."""
    import torch

    if not torch.accelerator.is_available():
        return []
    current = torch.accelerator.current_accelerator()
    kind = current.type if current else ""
    if kind not in ACCELERATORS:
        return []
    if kind == "mps":
        return ["mps"]
    return [f"{kind}:{number}" for number in range(torch.accelerator.device_count())]


def measure_devices(devices: Sequence[str]) -> dict[str, Memory]:
    """Measures the memory of accelerators, in the process that calls this."""
    import torch

    found = {}
    for name in devices:
        device = torch.device(name)
        module = torch.get_device_module(device)
        if device.type == "mps":
            found[name] = Memory(title="Apple GPU", total=module.recommended_max_memory())
        else:
            free, total = module.mem_get_info(device)
            title = module.get_device_name(device)
            found[name] = Memory(title=title, total=total, free=free)
    return found


def threads_each(processes: int) -> int:
    """Returns how many threads each of `processes` processes computes with on the host."""
    available = hasattr(os, "sched_getaffinity")
    cpus = len(os.sched_getaffinity(0)) if available else os.cpu_count() or 1
    return max(1, cpus // processes)


def _host_memory() -> Memory:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return Memory(title="host", total=total)
    available = re.search(r"^MemAvailable: +(\d+) kB$", lines, re.MULTILINE)
    return Memory(title="host", total=total, free=int(available[1]) * 1024 if available else None)


def _as_torch_writes(device: str) -> str:
    name = f"{device}:0" if device in STREAMING else device
    name = "mps" if name == "mps:0" else name
    if name == "cpu":
        return name
    kind = name.partition(":")[0]
    if kind not in ACCELERATORS or not re.fullmatch(r"(cuda|xpu):\d+|mps(:\d+)?", name):
        raise UsageError(
            f"device {verbatim(repr(device))} is not known",
            "write {devices}; xpu:0 and mps are known too",
            {"devices": ["cpu", "cuda:0,cuda:1"]},
        )
    if kind == "mps" and name != "mps":
        raise UsageError(
            f"device {device} does not exist: mps is one device",
            "try {devices}",
            {"devices": "mps"},
        )
    return name


def _check_present(device: str, name: str) -> None:
    present = ("cpu",) if name == "cpu" else available_devices()
    if name not in present:
        raise UsageError(
            f"device {device} is not on this machine, which has {', '.join(present)}",
            "try {devices}",
            {"devices": ",".join(present)},
        )
