"""Whether the devices of this machine are joined by fast links, as the driver says."""

import functools
import itertools
import re
import subprocess
from collections.abc import Sequence

from chords_cli.engine.hosts.places import kind_of
from chords_cli.tools import run_tool

_SECONDS = 20.0
"""How long the driver's tool may take."""


def have_fast_links(devices: Sequence[str]) -> bool:
    """Tells whether every two of these devices are joined by NVLink.

    The driver numbers GPUs otherwise than torch where some are hidden, so all that it lists count.
    Without its tool, and for other devices, links count as slow. Of several hosts, this one counts:
    what needs fast links stays inside a host.
    """
    if len(devices) < 2 or set(map(kind_of, devices)) != {"cuda"}:
        return False
    links = links_between()
    return bool(links) and all(re.fullmatch(r"NV\d+", link) for link in links.values())


def links_between() -> dict[tuple[str, str], str]:
    """Returns what joins every two GPUs, as the driver names both; empty where it says nothing.

    It says that in a matrix: a row per GPU, a column per GPU, `NV18` or so.
    """
    lines = _topology().splitlines()
    rows = [line.split() for line in lines if re.match(r"\s*GPU\d+\s+\S", line)]
    matrix = {row[0]: row[1 : len(rows) + 1] for row in rows if not row[1].startswith("GPU")}
    numbered = itertools.combinations(enumerate(matrix), 2)
    return {
        (one, other): matrix[one][column] if column < len(matrix[one]) else ""
        for (_, one), (column, other) in numbered
    }


def peer_access(devices: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the pairs that can read each other's memory, in the process that calls this."""
    import torch

    return [
        (one, other)
        for one, other in itertools.combinations(devices, 2)
        if torch.cuda.can_device_access_peer(one, other)
        and torch.cuda.can_device_access_peer(other, one)
    ]


@functools.cache
def _topology() -> str:
    try:
        asked = ["nvidia-smi", "topo", "-m"]
        told = run_tool(asked, text=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return re.sub(r"\x1b\[[0-9;]*m", "", told.stdout)
