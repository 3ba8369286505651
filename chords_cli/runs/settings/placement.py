"""How many cores a run takes when nobody says, which device each runs on, and what to say of it.

A preset's number of cores is a wish: as many as it names where there are as many devices. More
cores than devices give the same results no sooner and take memory for each, so they have to be
asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Which core runs where.

    Attributes:
        devices: One entry a core; cores share devices round robin where there are fewer.
        note: What the user should know of it before anything loads; None where that is nothing.
    """

    devices: tuple[str, ...]
    note: str | None = None


def place(cores: int, there: Sequence[str], *, wished: int, preset: str) -> Placement:
    """Lays `cores` cores on the devices `there`.

    Args:
        cores: How many the run takes.
        there: The devices to use, each once.
        wished: How many the run would take if there were a device for each.
        preset: Whose wish that is.
    """
    devices = tuple(there[core % len(there)] for core in range(cores))
    note = None
    if cores < wished:
        note = _fewer(there, wished=wished, preset=preset)
    elif cores > len(there):
        note = _shared(cores, there)
    return Placement(devices=devices, note=note)


def _fewer(there: Sequence[str], *, wished: int, preset: str) -> str:
    if len(there) == 1:
        return (
            f"1 core, because {there[0]} is the only device; {preset} takes up to {wished}: "
            f"--cores {wished} has them share it"
        )
    return (
        f"{len(there)} cores, one on each device; {preset} takes up to {wished}: "
        f"--cores {wished} has them share devices"
    )


def _shared(cores: int, there: Sequence[str]) -> str:
    most = -(-cores // len(there))
    what = there[0] if len(there) == 1 else f"{len(there)} devices, up to {most} on one"
    return (
        f"{cores} cores share {what}: the same results, but no sooner; each holds its own weights"
    )
