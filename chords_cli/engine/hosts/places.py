"""Which of several hosts this one is, and how devices of all of them are named: `node1:cuda:0`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Which of the processes that work together on several hosts this one is.

    Attributes:
        number: 0 has the terminal.
        count: How many there are.
        master: Where they meet, as `HOST` or `HOST:PORT`.
        local: Its number on its host where a launcher started it, which gives it one device; None
            where a person did, which gives it all.
        locals: How many processes the launcher started on this host, if it tells.
        agent: Whether the launcher has a store of its own at that place.
    """

    number: int
    count: int
    master: str
    local: int | None = None
    locals: int | None = None
    agent: bool = False

    @property
    def name(self) -> str:
        """What users read of it."""
        return name_of_place(self.number, launched=self.local is not None)

    @property
    def one_host(self) -> bool:
        """Whether all of them are on this host."""
        return self.locals == self.count


def name_of_place(number: int, *, launched: bool) -> str:
    """Returns `node 1`, or `rank 1` where a launcher counts processes."""
    return f"{'rank' if launched else 'node'} {number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class HostDevices:
    """The devices that several hosts have together.

    Attributes:
        place: Which of them this process is.
        offers: Per process the number of its host, and its devices; None before that is known: all
            are then taken to have what this one has.
    """

    place: Place
    offers: tuple[tuple[int, tuple[str, ...]], ...] | None = None

    @property
    def here(self) -> str:
        """How the names of this host's devices begin."""
        offers, number = self.offers, self.place.number
        return f"node{offers[number][0] if offers else number // (self.place.locals or 1)}"

    def names(self, own: Sequence[str]) -> tuple[str, ...]:
        """Returns the names of all devices, host by host; `own` are those of this process."""
        each = self.place.locals or 1
        alike = [(number // each, own) for number in range(self.place.count)]
        offers = self.offers or alike
        return tuple(f"node{host}:{device}" for host, devices in offers for device in devices)


def split_host(device: str) -> tuple[str, str]:
    """Splits `node1:cuda:0` into its host, which is empty for `cuda:0`, and torch's name."""
    found = re.match(r"(node\d+):", device)
    return (found[1], device[found.end() :]) if found else ("", device)


def as_seen_from(host: str, devices: Sequence[str]) -> tuple[str, ...]:
    """Returns the devices with torch's names for those of `host`."""
    return tuple(
        name if host and there == host else device
        for device in devices
        for there, name in [split_host(device)]
    )


def kind_of(device: str) -> str:
    """Returns the kind of a device, such as `cuda`, wherever it is."""
    return split_host(device)[1].partition(":")[0]
