"""Two hosts on one machine: network namespaces, and a link that is slow, late or cut when asked.

The link is a pair of TUN devices, one in each namespace, and a thread that carries packets from one
to the other. It needs root, `ip` and /dev/net/tun; `why_not` says what is missing.
"""

import fcntl
import os
import queue
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_PACKET = 1 << 16


@dataclass
class Network:
    """Two hosts that reach each other at `addresses`.

    Attributes:
        delay: Seconds that a packet takes.
        rate: Bytes a second, each way; None for all that this machine can do.
        cut: Whether every packet is lost.
    """

    names: tuple[str, str]
    addresses: tuple[str, str] = ("10.77.0.1", "10.77.0.2")
    delay: float = 0.0
    rate: float | None = None
    cut: bool = False
    carried: list[int] = field(default_factory=lambda: [0, 0])

    def on(self, host: int, *words: object) -> list[str]:
        """Returns a command line that runs on that host."""
        return ["ip", "netns", "exec", self.names[host], *map(str, words)]

    def namespace(self, host: int) -> str:
        """Returns the path of that host's network."""
        return f"/run/netns/{self.names[host]}"

    def carry(self, ends: tuple[int, int], way: int) -> None:
        """Carries packets one way, until its device is gone."""
        flying: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._arrive, args=(flying, ends[1 - way]), daemon=True).start()
        free = 0.0
        while True:
            try:
                packet = os.read(ends[way], _PACKET)
            except OSError:
                return
            if self.cut:
                continue
            self.carried[way] += len(packet)
            now = time.monotonic()
            free = max(free, now) + (len(packet) / self.rate if self.rate else 0.0)
            if free - now < 1.0:  # a queue of a second; what does not fit is lost
                flying.put((free + self.delay, packet))
            else:
                free -= len(packet) / (self.rate or 1.0)

    def _arrive(self, flying: "queue.SimpleQueue[tuple[float, bytes]]", end: int) -> None:
        while True:
            when, packet = flying.get()
            if (left := when - time.monotonic()) > 0:
                time.sleep(left)
            try:
                os.write(end, packet)
            except OSError:
                return


def why_not() -> str | None:
    """Says why there can be no such network here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no `ip` (package iproute2)"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    probe = f"chords-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return None


@contextmanager
def network() -> Iterator[Network]:
    """Makes two hosts and the link between them, and removes them."""
    made = Network((f"chords-{os.getpid()}-a", f"chords-{os.getpid()}-b"))
    devices = tuple(f"c{os.getpid()}{end}" for end in "ab")
    ends = tuple(map(_tun, devices))
    try:
        for host, (name, device) in enumerate(zip(made.names, devices, strict=True)):
            _run("ip", "netns", "add", name)
            _run("ip", "link", "set", device, "netns", name)
            own = (*made.on(host), "ip")
            _run(*own, "addr", "add", f"{made.addresses[host]}/24", "dev", device)
            _run(*own, "link", "set", device, "up")
            _run(*own, "link", "set", "lo", "up")
        for way in range(2):
            threading.Thread(target=made.carry, args=(ends, way), daemon=True).start()
        yield made
    finally:
        for name in made.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        for end in ends:
            os.close(end)


def _tun(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return end


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
