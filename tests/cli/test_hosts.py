"""Several hosts as their users meet them: two network namespaces, and a link between them."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.doubles.network import Network, network, why_not
from tests.doubles.warm import RELAY, Command, Warm
from tests.waiting import ended, until

LACK = why_not()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LACK is not None, reason=f"two hosts on one machine: {LACK}"),
]

TINY = ("image", "a cat", "--model", "tiny", "--devices", "cpu", "--cores", 4)
LONG = (*TINY, "--num", 5000)
CAT = "0001-a-cat-s42.png"
SLOW = 125_000  # bytes a second: 1 Mbit/s

PLAIN = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": ""}

CHORDS = ("-m", "chords_cli")
OTHER_VERSION = (
    "-c",
    "import chords_cli; chords_cli.__version__ = '0.0.1'; from chords_cli.cli.app import main;"
    " main()",
)


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture(autouse=True)
def _usual_link(net: Network) -> Iterator[None]:
    yield
    net.delay, net.rate, net.cut = 0.0, None, False


class Host:
    """A command that runs on one of the hosts."""

    def __init__(self, process: "subprocess.Popen[str] | Command", errors: Path) -> None:
        self.process, self._errors = process, errors

    @property
    def said(self) -> str:
        """What it has written on standard error."""
        return self._errors.read_text()

    def says(self, words: str) -> None:
        until(lambda: re.search(words, self.said) or self.process.poll() is not None, words)
        assert re.search(words, self.said), self.said

    def end(self) -> str:
        """Waits for its end, and returns its error."""
        ended(self.process)
        return "".join(line for line in self.said.splitlines(True) if line.startswith("error: "))


Start = Callable[..., Host]


@pytest.fixture
def start(net: Network, warm: Warm, environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts a command line on a host; of `chords` where torch has been imported."""
    started = list[Host]()

    def begin(host: int, *line: object, secret: str = "s3cret", **variables: str) -> Host:
        world = {**environment, **PLAIN, "CHORDS_SECRET": secret, **variables}
        place = tmp_path / f"host-{host}"
        place.mkdir(exist_ok=True)
        errors = tmp_path / f"{len(started)}.err"
        world = {name: value for name, value in world.items() if value}
        with errors.open("w") as told:
            if line[:2] == CHORDS:
                network = net.namespace(host)
                process = warm.start(*line[2:], cwd=place, env=world, stderr=told, network=network)
            else:
                words = net.on(host, sys.executable, *line)
                process = subprocess.Popen(
                    words, cwd=place, env=world, text=True, stdout=subprocess.PIPE, stderr=told
                )
        started.append(Host(process, errors))
        return started[-1]

    yield begin
    for host in started:
        if host.process.poll() is None:
            host.process.kill()
    until(lambda: not any(map(pids, net.names)), "the end of all processes on both hosts")


def pids(name: str) -> list[int]:
    """The processes that run on a host."""
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def nodes(
    start: Start, *line: object, of: tuple[str, ...] = CHORDS, net: Network, **variables: str
) -> tuple[Host, Host]:
    """Types the same line on both hosts."""
    where = ("--nnodes", 2, "--master-addr", net.addresses[0])
    first = start(0, *CHORDS, *line, *where, "--node-rank", 0)
    return first, start(1, *of, *line, *where, "--node-rank", 1, **variables)


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.tobytes()


@pytest.fixture(scope="module")
def alone(command, tmp_path_factory) -> bytes:
    """The picture of four cores on one host."""
    place = tmp_path_factory.mktemp("alone")
    command(*TINY, "--output", "one", cwd=place)
    return pixels(place / "one" / CAT)


def test_two_hosts_with_two_cores_each_make_the_picture_of_one_with_four_on_a_slow_late_link(
    net, start, alone, tmp_path
):
    net.rate, net.delay = SLOW, 0.1
    first, second = nodes(start, *TINY, "--output", "two", net=net)
    assert (first.end(), second.end()) == ("", ""), first.said + second.said
    assert (first.process.returncode, second.process.returncode) == (0, 0)
    assert pixels(tmp_path / "host-0" / "two" / CAT) == alone
    record = json.loads((tmp_path / "host-0" / "two" / "run.json").read_text())
    assert record["devices"] == ["node0:cpu", "node0:cpu", "node1:cpu", "node1:cpu"]
    assert 0 <= record["prompts"][0]["seconds"]["sample"] <= record["seconds"]["total"]
    assert "4 cores · 8 steps on node0:cpu, node1:cpu" in first.said
    assert "node 0 at 10.77.0.1:29500 is done" in second.said
    assert [*(tmp_path / "host-1").iterdir()] == []
    assert min(net.carried) > 10_000  # latents and pictures went over the link


def busy(start: Start, net: Network) -> tuple[Host, Host]:
    """Two hosts in the middle of a long run."""
    first, second = nodes(start, *LONG, "--output", "long", net=net)
    first.says(r"2/5000 done")
    return first, second


def test_a_link_that_is_cut_ends_both_hosts_and_each_names_the_other(net, start):
    first, second = busy(start, net)
    net.cut = True
    assert re.fullmatch(r"error: node 1 \(.*\) is silent: nothing came from it .*\n", first.end())
    assert re.fullmatch(r"error: node 0 at 10.77.0.1:29500 is silent: .*\n", second.end())
    assert first.process.returncode == second.process.returncode == 1


def test_a_host_that_is_killed_ends_the_run_and_is_named(net, start):
    first, second = busy(start, net)
    second.process.kill()
    assert re.fullmatch(r"error: node 1 \(.*\) is gone: its connection ended\n", first.end())


def test_a_core_that_is_killed_on_another_host_is_named_on_both(net, start):
    first, second = busy(start, net)
    here = pids(net.names[1])
    workers = [pid for pid in here if parent(parent(pid)) == second.process.pid]  # forked
    os.kill(workers[-1], signal.SIGKILL)
    error = first.end()
    assert re.fullmatch(
        r"error: core [23] on node1:cpu died while [a-z ]+: killed by SIGKILL.*\n", error
    )
    assert second.end() == error


def test_a_host_with_another_secret_is_refused_and_ctrl_c_ends_the_right_ones(net, start):
    where = ("--nnodes", 2, "--node-rank", 1, "--master-addr", net.addresses[0])
    first, wrong = nodes(start, *LONG, "--output", "long", net=net, secret="another")
    assert wrong.end() == (
        "error: node 0 at 10.77.0.1:29500 does not have the same CHORDS_SECRET\n"
    )
    first.says("10.77.0.2 was refused: it does not have the same CHORDS_SECRET")
    right = start(1, *CHORDS, *LONG, *where)
    first.says(r"2/5000 done")
    first.process.send_signal(signal.SIGINT)
    assert re.fullmatch(r"error: node 0 \(.*\): interrupted: \d+ of 5000 .*\n", right.end())
    assert "interrupted" in first.end()


@pytest.mark.parametrize(
    ("of", "more", "what"),
    [(OTHER_VERSION, (), "chords is 0.0.1"), (CHORDS, ("--dtype", "bfloat16"), 'dtype is "bfl')],
)
def test_a_host_with_another_version_or_model_is_refused_by_name_on_both(
    of, more, what, net, start
):
    where = ("--nnodes", 2, "--master-addr", net.addresses[0])
    first = start(0, *CHORDS, *TINY, *where, "--node-rank", 0)
    second = start(1, *of, *TINY, *more, *where, "--node-rank", 1)
    error = first.end()
    assert error.startswith(f"error: {what}")
    assert "on node 1 (" in error
    assert second.end() == error


def test_an_interface_that_does_not_lead_to_the_other_host_is_refused(net, start):
    where = (*TINY, "--nnodes", 2, "--node-rank", 1, "--master-addr", net.addresses[0])
    wrong = start(1, *CHORDS, *where, GLOO_SOCKET_IFNAME="lo")
    assert wrong.end() == (
        "error: GLOO_SOCKET_IFNAME is lo, which has only 127.0.0.1: it does not lead to 10.77.0.1\n"
    )


def test_torchrun_starts_it_on_two_hosts_with_two_processes_each(net, start, warm, alone, tmp_path):
    line = ("-m", "torch.distributed.run", "--nnodes", 2, "--nproc-per-node", 2)
    line += ("--master-addr", net.addresses[0], "--master-port", 29600)
    chords = (RELAY, warm.address, *TINY, "--output", "two")
    hosts = [start(k, *line, "--node-rank", k, *chords) for k in range(2)]
    for host in hosts:
        ended(host.process)
    assert [host.process.returncode for host in hosts] == [0, 0], hosts[0].said + hosts[1].said
    assert pixels(tmp_path / "host-0" / "two" / CAT) == alone
    record = json.loads((tmp_path / "host-0" / "two" / "run.json").read_text())
    assert record["devices"] == ["node0:cpu", "node0:cpu", "node1:cpu", "node1:cpu"]
