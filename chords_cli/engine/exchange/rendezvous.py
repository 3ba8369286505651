"""How processes find one another: by a file on one host, by a store of torch on several.

That store listens on a socket that the terminal's host has opened on the one interface where the
hosts meet; where torch opens it, it listens on all of them.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from socket import socket
from typing import Any

import torch.distributed as dist

from chords_cli.engine.exchange.network import INTERFACE, LOOPBACK, NCCL_INTERFACE, way_to_meet
from chords_cli.engine.messages import WorkerSpec


@dataclass(frozen=True, slots=True)
class FileRendezvous:
    """Processes of one host find one another by a file in a private directory."""

    path: Path
    serves = False

    def arguments(self, timeout: timedelta) -> dict[str, Any]:
        """Returns what torch needs to know of it; chooses the interface."""
        _listen_on(os.environ.get(INTERFACE) or LOOPBACK)
        return {"init_method": f"file://{self.path}"}

    @property
    def hint(self) -> str:
        """What to do if they do not."""
        return way_to_meet()


@dataclass(frozen=True, slots=True)
class StoreRendezvous:
    """Processes of several hosts find one another by a store.

    Attributes:
        ip: Where it is.
        port: Its port.
        group: Whose processes meet; groups share the store.
        interface: Where this host meets the others.
        listening: The socket of the store, in the process that has it.
    """

    ip: str
    port: int
    group: int
    interface: str
    listening: socket | None

    @property
    def serves(self) -> bool:
        """Whether this process has the store, also for other groups than its own."""
        return self.listening is not None

    def arguments(self, timeout: timedelta) -> dict[str, Any]:
        """Returns what torch needs to know of it; chooses the interface."""
        _listen_on(self.interface)
        own = None if self.listening is None else self.listening.detach()
        store = dist.TCPStore(
            self.ip,
            self.port,
            is_master=own is not None,
            timeout=timeout,
            wait_for_workers=False,
            master_listen_fd=own,
        )
        return {"store": dist.PrefixStore(f"group-{self.group}", store)}

    @property
    def hint(self) -> str:
        """What to do if they do not."""
        return f"name the interface where the hosts reach one another with {INTERFACE} on each"


def _listen_on(interface: str) -> None:
    """Has this process listen on one interface; NCCL would else choose one that leads outside."""
    os.environ[INTERFACE] = interface
    os.environ.setdefault(NCCL_INTERFACE, f"={interface.split(',')[0]}")


Rendezvous = FileRendezvous | StoreRendezvous


def rendezvous_for(spec: WorkerSpec) -> Rendezvous:
    """Returns how a worker finds the others."""
    if not spec.interface:
        return FileRendezvous(Path(spec.rendezvous))
    ip, _, port = spec.rendezvous.partition("#")
    return StoreRendezvous(ip, int(port), spec.group, spec.interface, spec.listening)
