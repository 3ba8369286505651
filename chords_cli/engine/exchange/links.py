"""Whether the devices of this machine are joined by fast links, as the driver says."""

import functools
import itertools
import re
import subprocess
from collections.abc import Sequence

from chords_cli.engine.hosts.places import kind_of

_SECONDS = 20.0
"""How long the driver's tool may take."""


def have_fast_links(devices: Sequence[str]) -> bool:
    """Tells whether every two of these devices are joined by NVLink.

    The driver numbers GPUs otherwise than torch where some are hidden, so all that it lists count.
    Without its tool, and for other devices, links count as slow. Of several hosts, this one counts:
    what needs fast links stays inside a host.
    """
    kinds = set(map(kind_of, devices))
    return len(devices) > 1 and kinds == {"cuda"} and _all_joined(_topology())


def _all_joined(topology: str) -> bool:
    """Reads the matrix of `nvidia-smi topo -m`: a row per GPU, a column per GPU, `NV18` or so."""
    rows = [line.split() for line in topology.splitlines() if re.match(r"\s*GPU\d+\s+\S", line)]
    links = {row[0]: row[1 : len(rows) + 1] for row in rows if not row[1].startswith("GPU")}
    pairs = itertools.combinations(range(len(links)), 2)
    matrix = list(links.values())
    return len(matrix) > 1 and all(
        column < len(matrix[row]) and re.fullmatch(r"NV\d+", matrix[row][column])
        for row, column in pairs
    )


@functools.cache
def _topology() -> str:
    try:
        asked = ["nvidia-smi", "topo", "-m"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return re.sub(r"\x1b\[[0-9;]*m", "", told.stdout)
