"""Which devices there are, and which core runs where."""

import re
from collections.abc import Sequence

from chords_cli.errors import UsageError


def available_devices() -> tuple[str, ...]:
    """The devices of this machine that torch can use: its CUDA devices, else `cpu`."""
    import torch

    count = torch.cuda.device_count()
    return tuple(f"cuda:{number}" for number in range(count)) or ("cpu",)


def assign_devices(requested: Sequence[str], cores: int) -> tuple[str, ...]:
    """One device a core, round robin over `requested` (`available_devices` when empty).

    Raises:
        UsageError: A device that torch does not know or this machine does not have.
    """
    devices = tuple(map(_checked, requested)) or available_devices()
    return tuple(devices[core % len(devices)] for core in range(cores))


def _checked(device: str) -> str:
    name = "cuda:0" if device == "cuda" else device
    if name == "cpu":
        return name
    if not re.fullmatch(r"cuda:\d+", name):
        raise UsageError(
            f"device {device!r} is not known", "write --devices cpu or --devices cuda:0,cuda:1"
        )
    there = available_devices()
    if name not in there:
        raise UsageError(
            f"device {device} is not on this machine, which has {', '.join(there)}",
            f"try --devices {','.join(there)}",
        )
    return name
