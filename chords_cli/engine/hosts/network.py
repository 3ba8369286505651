"""Where hosts meet: addresses, the interface that leads there, and the secret that they share."""

import ipaddress
import os
import socket
from dataclasses import dataclass
from socket import AddressFamily, SocketKind

import psutil

from chords_cli.engine.exchange.network import INTERFACE, check_interface
from chords_cli.errors import UsageError, verbatim
from chords_cli.tools import SECRET

PORT = 29500
"""Where hosts meet if no port is named: the one that torch's launcher uses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where hosts meet."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """A network interface of this host and its address there."""

    name: str
    ip: str


def find_secret() -> bytes:
    """Returns the secret of all hosts.

    Raises:
        UsageError: There is none.
    """
    secret = os.environ.get(SECRET, "")
    if not secret:
        raise UsageError(
            f"several hosts need a secret that they share, but {SECRET} is not set",
            f"type `export {SECRET}=...` with the same long random text on every host",
        )
    return secret.encode()


def find_address(text: str, *, one_host: bool = False) -> Address:
    """Returns the address that `HOST` or `HOST:PORT` stands for.

    Args:
        text: As it was typed.
        one_host: Whether everybody who goes there is on this host.

    Raises:
        UsageError: It has no address, or only one that no other host can reach.
    """
    host, port = _split_port(text)
    try:
        found = socket.getaddrinfo(host, port, type=SocketKind.SOCK_STREAM)
    except OSError as error:
        raise UsageError(
            f"{verbatim(host)} has no address here: {error.strerror or error}",
            "write the address of node 0 with {master_addr}",
            {"master_addr": None},
        ) from error
    addresses = [str(address[0]) for *_, address in found]
    others = [ip for ip in addresses if one_host or not _is_loopback(ip)]
    if not others:
        is_this = f"{verbatim(host)} is {addresses[0]} here" if host != addresses[0] else host
        raise UsageError(
            f"{is_this}, where every host reaches only itself",
            "write the address by which the other hosts reach node 0 with {master_addr}"
            f"{_own_hint()}",
            {"master_addr": None},
        )
    return Address(ip=others[0], port=port)


def find_interface(address: Address) -> Interface:
    """Returns the interface that leads to `address`, or the one that gloo's variable names.

    Raises:
        UsageError: Nothing leads there.
    """
    check_interface()
    named = os.environ.get(INTERFACE)
    if named:
        return _named_interface(named.split(",")[0], address)
    try:
        with socket.socket(_family(address.ip), SocketKind.SOCK_DGRAM) as probe:
            probe.connect((address.ip, address.port))  # sends nothing, only looks for the way
            ip = str(probe.getsockname()[0])
    except OSError as error:
        raise UsageError(
            f"this host has no way to {address.ip}: {error.strerror or error}",
            "look at its network, or write another address with {master_addr}",
            {"master_addr": None},
        ) from error
    names = [name for name, addresses in _addresses().items() if ip in addresses]
    if not names:
        raise UsageError(
            f"the way to {address.ip} begins at {ip}, which no network interface has",
            f"name the interface with {INTERFACE}",
        )
    return Interface(name=names[0], ip=ip)


def check_own(address: Address) -> None:
    """Refuses to wait at an address of another host.

    Raises:
        UsageError: It is not this host's.
    """
    own = [ip for addresses in _addresses().values() for ip in addresses]
    if address.ip not in own:
        raise UsageError(
            f"hosts are to meet at {address.ip}, but that is not an address of this host, node 0",
            f"write one of its own with {{master_addr}}{_own_hint()}",
            {"master_addr": None},
        )


def _named_interface(name: str, address: Address) -> Interface:
    """Returns the interface of that name, which the user has chosen."""
    family = _family(address.ip)
    addresses = [ip for ip in _addresses().get(name, []) if _family(ip) == family]
    outside = [ip for ip in addresses if _is_loopback(ip) == _is_loopback(address.ip)]
    if not outside:
        has = f"has only {', '.join(addresses)}" if addresses else "has no address of that kind"
        raise UsageError(
            f"{INTERFACE} is {name}, which {has}: it does not lead to {address.ip}",
            f"unset {INTERFACE}, or name the interface that leads there",
        )
    return Interface(name=name, ip=outside[0])


def _addresses() -> dict[str, list[str]]:
    """Returns the addresses of every network interface of this host."""
    kinds = (AddressFamily.AF_INET, AddressFamily.AF_INET6)
    return {
        name: [one.address for one in found if one.family in kinds]
        for name, found in psutil.net_if_addrs().items()
    }


def _own_hint() -> str:
    """Lists this host's addresses that others may reach."""
    own = [ip for ips in _addresses().values() for ip in ips]
    outside = [ip for ip in own if not (_is_loopback(ip) or ip.startswith("fe80"))]
    return f"; this host has {', '.join(outside)}" if outside else ""


def _split_port(text: str) -> tuple[str, int]:
    """Splits `HOST:PORT`; an IPv6 address with a port is in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host.strip("[]") and not host.endswith("]")):
        return text.strip("[]"), PORT
    if not (port.isdecimal() and 0 < int(port) < 1 << 16 and host):
        raise UsageError(
            f"master_addr is {verbatim(repr(text))}, which is no HOST or HOST:PORT",
            "try {master_addr}",
            {"master_addr": f"{host or '10.0.0.1'}:{PORT}"},
        )
    return host.strip("[]"), int(port)


def _family(ip: str) -> AddressFamily:
    return AddressFamily.AF_INET6 if ":" in ip else AddressFamily.AF_INET


def _is_loopback(ip: str) -> bool:
    return ipaddress.ip_address(ip).is_loopback
