"""The store of a launcher such as torchrun: by it processes find where they meet.

Whoever can reach it can write to it. So nothing secret goes there, and what comes from there is
only an address: who waits at it has to prove that it knows the secret. All of this runs in
processes that have torch (`engine.start.ask`).
"""

import os
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import Store

_KEY = "meeting"


def publish(master: str, seconds: float, address: str) -> None:
    """Tells the launcher's other processes where they meet."""
    _store(master, seconds).set(_KEY, address)


def find_published(master: str, seconds: float) -> str:
    """Returns what `publish` has told as soon as it has; empty if that takes too long."""
    from torch.distributed import DistStoreError

    try:
        return str(_store(master, seconds).get(_KEY).decode())
    except DistStoreError:
        return ""


def _store(master: str, seconds: float) -> "Store":
    from torch.distributed import PrefixStore, TCPStore

    host, _, port = master.rpartition(":")
    limit = timedelta(seconds=seconds)
    store = TCPStore(host.strip("[]"), int(port), is_master=False, timeout=limit)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"chords/{attempt}", store)
