"""Where hosts meet, by addresses and interfaces that are the test's own."""

import socket
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from chords_cli.engine.exchange.network import LOOPBACK
from chords_cli.engine.hosts.network import (
    Address,
    Interface,
    check_own,
    find_address,
    find_interface,
    find_secret,
)
from chords_cli.errors import UsageError

NAMES = {"gpu-a": ["10.0.0.1"], "gpu-b": ["127.0.1.1"], "gpu-c": ["127.0.1.1", "10.0.0.3"]}
ADDRESSES = {
    LOOPBACK: ["127.0.0.1", "::1"],
    "eth0": ["10.0.0.1"],
    "ib0": ["192.168.7.1", "fe80::7"],
}


@pytest.fixture(autouse=True)
def _known_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        if host not in NAMES and not host[0].isdecimal() and ":" not in host:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (ip, port)) for ip in NAMES.get(host, [host])]

    found = {
        name: [
            SimpleNamespace(address=ip, family=socket.AF_INET6 if ":" in ip else socket.AF_INET)
            for ip in addresses
        ]
        for name, addresses in ADDRESSES.items()
    }
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "if_nameindex", lambda: [*enumerate(ADDRESSES, 1)])
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("gpu-a", ("10.0.0.1", 29500), "10.0.0.1:29500"),
        ("gpu-a:4000", ("10.0.0.1", 4000), "10.0.0.1:4000"),
        ("gpu-c", ("10.0.0.3", 29500), "10.0.0.3:29500"),
        ("fd00::2", ("fd00::2", 29500), "[fd00::2]:29500"),
        ("[fd00::2]:4000", ("fd00::2", 4000), "[fd00::2]:4000"),
    ],
)
def test_an_address_is_one_that_other_hosts_reach(text, address, written):
    found = find_address(text)
    assert (found.ip, found.port) == address
    assert str(found) == written


def test_a_name_that_stands_for_the_loopback_is_found_out_unless_all_are_on_this_host():
    with pytest.raises(
        UsageError, match=r"gpu-b is 127.0.1.1 here, where every host reaches"
    ) as no:
        find_address("gpu-b")
    assert no.value.hint.endswith("this host has 10.0.0.1, 192.168.7.1")
    assert find_address("gpu-b", one_host=True).ip == "127.0.1.1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere", "nowhere has no address here: Name or service not known"),
        ("gpu-a:x", "master_addr is 'gpu-a:x', which is no HOST or HOST:PORT"),
        ("gpu-a:0", "master_addr is 'gpu-a:0', which is no HOST or HOST:PORT"),
        (":5", "master_addr is ':5', which is no HOST or HOST:PORT"),
    ],
)
def test_what_is_no_address_is_refused(text, message):
    with pytest.raises(UsageError) as refused:
        find_address(text)
    assert refused.value.message == message


def test_node_0_waits_only_at_an_address_of_its_own():
    check_own(Address(ip="10.0.0.1", port=1))
    with pytest.raises(UsageError, match=r"10.0.0.2, but that is not an address of this host"):
        check_own(Address(ip="10.0.0.2", port=1))


def test_an_interface_that_the_user_names_is_taken_if_it_leads_there(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    assert find_interface(Address(ip="10.0.0.1", port=1)) == Interface(name="ib0", ip="192.168.7.1")
    for name, why in {
        LOOPBACK: "has only 127.0.0.1",
        "eth0": "has no address of that kind",
    }.items():
        monkeypatch.setenv("GLOO_SOCKET_IFNAME", name)
        there = "10.0.0.1" if name == LOOPBACK else "fd00::2"
        with pytest.raises(UsageError, match=f"GLOO_SOCKET_IFNAME is {name}, which {why}"):
            find_interface(Address(ip=there, port=1))


def test_hosts_need_a_secret(monkeypatch):
    monkeypatch.setenv("CHORDS_SECRET", "")
    with pytest.raises(UsageError, match="but CHORDS_SECRET is not set"):
        find_secret()
    monkeypatch.setenv("CHORDS_SECRET", "s3cret")
    assert find_secret() == b"s3cret"
