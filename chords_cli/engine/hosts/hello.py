"""What hosts say of themselves when they meet, and what has to be the same on all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chords_cli.engine.hosts.places import name_of_place
from chords_cli.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Hello:
    """What a host says of itself.

    Attributes:
        number: Which one it is, of `count`.
        local: Its number on its host where a launcher started it.
        host: The name of its host.
        devices: What it brings, as torch writes them.
        facts: What has to be the same everywhere, by name.
        trouble: Why it cannot take part, and the hint to it; empty if it can.
    """

    number: int
    count: int
    local: int | None
    host: str
    devices: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    trouble: tuple[str, str] = ("", "")

    @property
    def name(self) -> str:
        """What users read of it."""
        return f"{name_of_place(self.number, launched=self.local is not None)} ({self.host})"


def read_hello(said: dict[str, object]) -> Hello:
    """Reads a hello, of whichever version: what is not known here may differ."""
    number, count, local, host = (said[name] for name in ("number", "count", "local", "host"))
    if not (isinstance(number, int) and isinstance(count, int) and isinstance(host, str)):
        raise TypeError("a hello of another kind")
    devices, facts, trouble = (said.get(name) or () for name in ("devices", "facts", "trouble"))
    return Hello(
        number=number,
        count=count,
        local=local if isinstance(local, int) else None,
        host=host,
        devices=tuple(map(str, devices)),  # type: ignore[call-overload]
        facts={str(k): str(v) for k, v in dict(facts).items()},  # type: ignore[call-overload]
        trouble=(*map(str, trouble), "", "")[:2],  # type: ignore[call-overload,arg-type]
    )


def compare(own: Hello, other: Hello, missing: set[int]) -> None:
    """Refuses a host that differs from this one.

    Raises:
        UsageError: It does, or says that it cannot take part.
    """
    why, hint = other.trouble
    me = name_of_place(own.number, launched=own.local is not None)
    if why:
        raise UsageError(f"{other.name}: {why}", hint)
    if other.count != own.count:
        raise UsageError(
            f"{other.name} is one of {other.count}, but {me} is one of {own.count}",
            "type the same on every host",
        )
    if other.number not in missing:
        raise UsageError(
            f"{other.name} came, but another host was {other.name.partition(' (')[0]} before",
            "give every host a {node_rank} of its own, and 0 to one only",
            {"node_rank": None},
        )
    for name in {**own.facts, **other.facts}:
        here, there = own.facts.get(name, "unknown"), other.facts.get(name, "unknown")
        if here != there:
            raise UsageError(
                f"{name} is {there} on {other.name}, but {here} on {me}",
                "install and fetch the same on every host, and type the same",
            )
