"""Which of several hosts this is, from options and from what launchers set."""

import pytest

from chords_cli.errors import UsageError
from chords_cli.runs.settings.hosts import HostOptions, find_place, refuse_hosts
from chords_cli.runs.settings.layouts.members import check_apart
from chords_cli.runs.settings.layouts.placement import place

TORCHRUN = {
    "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "gpu-a", "MASTER_PORT": "29501", "TORCHELASTIC_USE_AGENT_STORE": "True",
}  # fmt: skip
POD = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "fd00::2", "MASTER_PORT": "23456"}
TYPED = HostOptions(nnodes=2, node_rank=1, master_addr="gpu-a:4000")


def test_options_say_which_host_this_is():
    place = find_place(TYPED, {})
    assert place is not None
    assert (place.number, place.count, place.master) == (1, 2, "gpu-a:4000")
    assert (place.name, place.local, place.agent) == ("node 1", None, False)


def test_torchrun_says_which_process_this_is_and_that_it_has_a_store():
    place = find_place(HostOptions(), TORCHRUN)
    assert place is not None
    assert (place.number, place.count, place.master) == (3, 4, "gpu-a:29501")
    assert (place.local, place.locals, place.agent, place.name) == (1, 2, True, "rank 3")


def test_a_launcher_that_starts_one_process_per_host_need_not_count_them_there():
    place = find_place(HostOptions(), POD)
    assert place is not None
    assert (place.number, place.local, place.locals, place.agent) == (1, 0, None, False)
    assert place.master == "[fd00::2]:23456"


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (HostOptions(), {}),
        (HostOptions(), POD | {"RANK": "0", "WORLD_SIZE": "1"}),
        (HostOptions(), {"RANK": "1", "WORLD_SIZE": "2"}),
        (HostOptions(nnodes=1, node_rank=0, master_addr="x"), {}),
    ],
)
def test_one_process_works_alone(options, environment):
    assert find_place(options, environment) is None


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (HostOptions(nnodes=2), {}, "several hosts need node_rank, too"),
        (
            HostOptions(nnodes=2, node_rank=2, master_addr="x"),
            {},
            "node_rank is 2, but with nnodes=2",
        ),
        (TYPED, POD, "a launcher has started this as rank 1 of 2, and nnodes and the like"),
        (HostOptions(), POD | {"RANK": "one"}, "RANK is 'one', but must be a number"),
    ],
)
def test_what_contradicts_itself_is_refused(options, environment, message):
    with pytest.raises(UsageError) as refused:
        find_place(options, environment)
    assert refused.value.message.startswith(message)


def test_a_comparison_works_on_one_host():
    refuse_hosts({}, "chords compare")
    with pytest.raises(UsageError, match="chords compare works on one host, but a launcher has"):
        refuse_hosts(TORCHRUN, "chords compare")


def test_a_core_with_processes_on_two_hosts_is_refused():
    apart = ("node0:cuda:0", "node0:cuda:1", "node0:cuda:2", "node1:cuda:0")
    check_apart((*apart[:2], "node1:cuda:0", "node1:cuda:1"), apart, members=2, context=1)
    with pytest.raises(UsageError, match="core 1 would be on node0:cuda:2 and node1:cuda:0"):
        check_apart(apart, apart, members=2, context=1)


def test_neighbours_are_placed_on_one_host_where_devices_are_shared():
    placed = place(4, ("node0:cpu", "node1:cpu"), wished=4, preset="tiny")
    assert placed.devices == ("node0:cpu", "node0:cpu", "node1:cpu", "node1:cpu")
