"""The network interface of this host on which cores meet; known and checked without torch."""

import os
import socket
import sys

from chords_cli.errors import UsageError

INTERFACE = "GLOO_SOCKET_IFNAME"
"""Gloo's variable that names the interface."""

NCCL_INTERFACE = "NCCL_SOCKET_IFNAME"
"""The same variable of NCCL, by which accelerators share tokens (`exchange.context`)."""

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def check_interface() -> None:
    """Refuses an interface, from gloo's variable or else the loopback, that does not exist.

    Raises:
        UsageError: This machine has no interface of that name.
    """
    present = [name for _, name in socket.if_nameindex()]
    for name in filter(None, os.environ.get(INTERFACE, LOOPBACK).split(",")):
        if present and name not in present:
            given = f"{INTERFACE} is {name}" if INTERFACE in os.environ else f"cores meet on {name}"
            raise UsageError(
                f"{given}, but this machine has the network interfaces {', '.join(present)}",
                way_to_meet(),
            )


def way_to_meet() -> str:
    """Returns what to do where processes of this host do not meet."""
    if os.environ.get(INTERFACE, LOOPBACK) == LOOPBACK:
        start = "ifconfig lo0 up" if LOOPBACK == "lo0" else "ip link set lo up"
        return f"start the loopback interface (`{start}`), or name another with {INTERFACE}"
    return f"unset {INTERFACE}, or set it to the host's loopback interface"
