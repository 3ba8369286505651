"""How devices of several hosts are named and found."""

import pytest

from chords_cli.engine.hosts.places import HostDevices, Place, as_seen_from, kind_of, split_host

SECOND = Place(number=1, count=2, master="gpu-a")
LAUNCHED = Place(number=3, count=4, master="gpu-a:1", local=1, locals=2)


def test_devices_are_named_with_their_host():
    offers = ((0, ("cuda:0", "cuda:1")), (1, ("cpu",)))
    devices = HostDevices(place=SECOND, offers=offers)
    assert devices.names(("cpu",)) == ("node0:cuda:0", "node0:cuda:1", "node1:cpu")
    assert devices.here == "node1"


def test_as_long_as_nothing_else_is_known_all_hosts_are_alike():
    assert HostDevices(place=SECOND).names(("cpu",)) == ("node0:cpu", "node1:cpu")
    launched = HostDevices(place=LAUNCHED)
    assert launched.names(("cpu",)) == ("node0:cpu", "node0:cpu", "node1:cpu", "node1:cpu")
    assert launched.here == "node1"


@pytest.mark.parametrize(
    ("device", "parts", "kind"),
    [
        ("cuda:0", ("", "cuda:0"), "cuda"),
        ("node12:cuda:3", ("node12", "cuda:3"), "cuda"),
        ("node0:cpu", ("node0", "cpu"), "cpu"),
    ],
)
def test_a_name_is_split(device, parts, kind):
    assert split_host(device) == parts
    assert kind_of(device) == kind


def test_a_host_sees_its_own_devices_by_torchs_names():
    assert as_seen_from("node1", ["node0:cpu", "node1:cuda:0"]) == ("node0:cpu", "cuda:0")
    assert as_seen_from("", ["cuda:0"]) == ("cuda:0",)


def test_a_place_is_named_as_whoever_started_it_counts():
    assert (SECOND.name, LAUNCHED.name) == ("node 1", "rank 3")
    assert LAUNCHED.one_host is False
