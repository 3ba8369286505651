"""Which of several hosts this is: as options say, or the launcher that started this process."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from chords_cli.engine.hosts.places import Place
from chords_cli.errors import UsageError, verbatim
from chords_cli.runs.settings.options.option import MACHINE, Option

_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun, PyTorchJob and scripts for srun set in every process that they start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostOptions:
    """The options with which a person types the same line on several hosts."""

    nnodes: Annotated[
        int | None,
        Option(
            MACHINE,
            "How many hosts work on it together; type the same on each, with its own --node-rank.",
            least=1,
        ),
    ] = None
    node_rank: Annotated[
        int | None,
        Option(MACHINE, "Which of them this is; number 0 shows the run and writes the files."),
    ] = None
    master_addr: Annotated[
        str | None,
        Option(MACHINE, "The address of number 0, where they meet.", metavar="HOST[:PORT]"),
    ] = None


def find_place(options: HostOptions, environment: Mapping[str, str]) -> Place | None:
    """Returns which of several processes this is; None if it works alone.

    Raises:
        UsageError: Options or variables are incomplete, contradict each other or are out of range.
    """
    names = ("nnodes", "node_rank", "master_addr")
    missing = [name for name in names if getattr(options, name) is None]
    launched = all(environment.get(name) for name in _LAUNCHED)
    if len(missing) == len(names):
        return _launched_place(environment) if launched else None
    if launched and environment["WORLD_SIZE"] != "1":
        raise UsageError(
            f"a launcher has started this as rank {environment['RANK']} of "
            f"{environment['WORLD_SIZE']}, and {{nnodes}} and the like are for hosts without one",
            "leave out {nnodes}, {node_rank} and {master_addr}",
            dict.fromkeys(names),
        )
    if missing:
        raise UsageError(
            f"several hosts need {{{missing[0]}:name}}, too",
            "as in {nnodes} {node_rank} {master_addr}",
            {"nnodes": options.nnodes or 2, "node_rank": 0, "master_addr": "10.0.0.1"},
        )
    return _place(options.node_rank or 0, options.nnodes or 0, str(options.master_addr))


def refuse_hosts(environment: Mapping[str, str], what: str) -> None:
    """Refuses to do on several hosts what is done on one.

    Raises:
        UsageError: A launcher has started several processes.
    """
    place = find_place(HostOptions(), environment)
    if place:
        raise UsageError(
            f"{what} works on one host, but a launcher has started this as rank {place.number} of "
            f"{place.count}",
            "start it without the launcher; it uses all devices of this host",
        )


def _launched_place(environment: Mapping[str, str]) -> Place | None:
    """Returns the place that a launcher has given this process."""
    numbers: dict[str, int | None] = {}
    for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        text = environment.get(name, "")
        if text and not text.isdecimal():
            raise UsageError(
                f"{name} is {verbatim(repr(text))}, but must be a number",
                "unset it, or start this with a launcher such as torchrun",
            )
        numbers[name] = int(text) if text else None
    host, port = environment["MASTER_ADDR"], numbers["MASTER_PORT"]
    place = _place(
        numbers["RANK"] or 0,
        numbers["WORLD_SIZE"] or 0,
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
    )
    return place and replace(
        place,
        local=numbers["LOCAL_RANK"] or 0,
        locals=numbers["LOCAL_WORLD_SIZE"],
        agent=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
    )


def _place(number: int, count: int, master: str) -> Place | None:
    """Returns the place with that number; None if there is one only."""
    if not 0 <= number < max(count, 1):
        raise UsageError(
            f"node_rank is {number}, but with {{nnodes}} they are numbered from 0 to {count - 1}",
            "give each host another {node_rank}, from 0",
            {"nnodes": count, "node_rank": None},
        )
    return Place(number=number, count=count, master=master) if count > 1 else None
