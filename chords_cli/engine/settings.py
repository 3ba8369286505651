"""What a pool is started with, as plain data, and what follows from it for each of its workers."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chords_cli.engine.devices import threads_each
from chords_cli.engine.hosts.places import split_host
from chords_cli.engine.messages import WorkerSpec
from chords_cli.engine.start import DEFAULT_TIMEOUT
from chords_cli.pipelines.load.spec import ModelSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolSettings:
    """What a pool is started with.

    Attributes:
        model: What every core loads.
        devices: One entry per process, as torch writes them, and on several hosts with the name of
            the host (`hosts.places`); those of a group side by side, and in it those of a core.
        decoders: The cores that may be asked for pictures; the others load no VAE weights.
        timeout: Seconds that a core waits for a neighbour, and the pool for a sign of life, before
            giving up.
        members: How many processes a core has.
        contexts: How many of them compute an answer of the model together.
        groups: How many samples are made at a time, each by cores of its own.
    """

    model: ModelSpec
    devices: tuple[str, ...]
    decoders: frozenset[int]
    timeout: float = DEFAULT_TIMEOUT
    members: int = 1
    contexts: int = 1
    groups: int = 1


def threads_on_hosts(devices: Sequence[str]) -> int:
    """Returns how many threads each process computes with on its host, the same for all."""
    hosts = Counter(split_host(device)[0] for device in devices)
    return threads_each(max(hosts.values()))


def worker_specs(settings: PoolSettings, folder: Path) -> list[WorkerSpec]:
    """Returns what every worker gets; their logs and their meeting places are in `folder`."""
    cores, specs = len(settings.devices) // (settings.groups * settings.members), []
    key = secrets.token_bytes(32)
    for process, name in enumerate(settings.devices):
        core, member = divmod(process, settings.members)
        group, core = divmod(core, cores)
        host, device = split_host(name)
        spec = WorkerSpec(
            group=group,
            core=core,
            cores=cores,
            member=member,
            members=settings.members,
            contexts=settings.contexts,
            device=device,
            host=host,
            threads=threads_on_hosts(settings.devices),
            model=settings.model,
            decodes=core in settings.decoders and member == 0,
            rendezvous=str(folder / f"rendezvous-{group}"),
            timeout=settings.timeout,
            log=str(folder / f"process-{process}.log"),
            key=key,
        )
        specs.append(spec)
    return specs
