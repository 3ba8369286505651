"""Hosts that meet on the loopback of this one: who is let in, who is refused, who is named."""

import pickle
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chords_cli.engine.exchange.seal import ForgedError
from chords_cli.engine.hosts import link
from chords_cli.engine.hosts.frames import Beat, Died, End, Piece
from chords_cli.engine.hosts.hello import Hello
from chords_cli.engine.hosts.link import Line, Link
from chords_cli.engine.hosts.meeting import Door, Guest, come
from chords_cli.engine.hosts.network import Address, Interface
from chords_cli.engine.hosts.places import Place
from chords_cli.engine.hosts.remote import Hosts, RemoteHost
from chords_cli.errors import ChordsError, UsageError
from tests.waiting import HANG, until

LOOPBACK = Interface(name="lo", ip="127.0.0.1")
FACTS = {"chords": "1.0", "dtype": "bfloat16"}
TERMINAL = Hello(number=0, count=2, local=None, host="gpu-a", facts=FACTS)
GUEST = Hello(number=1, count=2, local=None, host="gpu-b", devices=("cuda:0",), facts=FACTS)
SECRET = b"s3cret"


class Visit:
    """A host that comes to a door, in the background."""

    def __init__(self, door: Door, hello: Hello, secret: bytes) -> None:
        self.line: Line | None = None
        self.error: ChordsError | None = None
        self._thread = threading.Thread(target=self._come, args=(door.address, hello, secret))
        self._thread.start()

    def _come(self, address: Address, hello: Hello, secret: bytes) -> None:
        try:
            self.line = come(address, LOOPBACK, secret, hello, HANG)
        except ChordsError as error:
            self.error = error

    def end(self) -> "Visit":
        self._thread.join(HANG)
        return self


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door(Address(ip="127.0.0.1", port=0), SECRET)
    yield opened
    opened.close()


def welcomed(door: Door, said: list[str], seconds: float = HANG) -> list[Guest]:
    return list(door.guests(TERMINAL, seconds, said.append, lambda: None))


def test_a_host_that_knows_the_secret_is_welcome(door):
    visit, said = Visit(door, GUEST, SECRET), list[str]()
    (guest,) = welcomed(door, said)
    assert visit.end().line is not None
    assert guest.hello == GUEST
    assert abs(guest.ahead) < HANG  # both read the same clock
    assert said == ["node 1 (gpu-b) is here with cuda:0"]


def test_strangers_are_refused_before_anything_of_theirs_is_unpickled(door):
    said = list[str]()
    with socket.create_connection((door.address.ip, door.address.port)) as stranger:
        stranger.sendall(pickle.dumps(Beat()) * 100)
        wrong = Visit(door, GUEST, b"guessed").end()
        assert wrong.error is not None
        assert wrong.error.message.endswith("does not have the same CHORDS_SECRET")
        visit = Visit(door, GUEST, SECRET)
        assert [guest.hello.host for guest in welcomed(door, said)] == ["gpu-b"]
        visit.end()
    assert said[0] == "127.0.0.1 was refused: it does not have the same CHORDS_SECRET"


@pytest.mark.parametrize(
    ("differs", "message"),
    [
        (
            {"facts": FACTS | {"chords": "1.1"}},
            "chords is 1.1 on node 1 (gpu-b), but 1.0 on node 0",
        ),
        (
            {"facts": {"chords": "1.0"}},
            "dtype is unknown on node 1 (gpu-b), but bfloat16 on node 0",
        ),
        ({"count": 3}, "node 1 (gpu-b) is one of 3, but node 0 is one of 2"),
        ({"number": 0}, "node 0 (gpu-b) came, but another host was node 0 before"),
        ({"trouble": ("no model", "fetch it")}, "node 1 (gpu-b): no model"),
    ],
)
def test_a_host_that_differs_is_refused_by_name_on_both_ends(differs, message, door):
    visit = Visit(door, replace(GUEST, **differs), SECRET)
    with pytest.raises(UsageError) as refused:
        welcomed(door, [])
    assert refused.value.message == message
    error = visit.end().error
    assert error is not None
    assert (error.message, error.hint) == (message, refused.value.hint)


def test_a_host_that_does_not_come_is_named_and_so_is_who_was_refused(door):
    Visit(door, GUEST, b"guessed").end()
    with pytest.raises(ChordsError) as absent:
        welcomed(door, [], seconds=0.5)
    assert absent.value.message == (
        f"node 1 did not come to {door.address} within 0.5 s; 127.0.0.1 was refused: it does not "
        "have the same CHORDS_SECRET"
    )


def test_nobody_waits_where_another_program_does(door):
    with pytest.raises(UsageError, match=r"hosts cannot meet at 127.0.0.1:.*: Address already in"):
        Door(door.address, SECRET)


def test_nobody_is_reached_where_no_host_waits():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(ip="127.0.0.1", port=taken.getsockname()[1])
    with pytest.raises(ChordsError, match=r"node 0 at .* cannot be reached from 127.0.0.1 on lo"):
        come(address, LOOPBACK, SECRET, GUEST, 0.0)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not taken for a silent one."""
    monkeypatch.setattr(link, "SILENT_SECONDS", int(HANG))


@pytest.fixture
def lines() -> Iterator[tuple[Line, Line]]:
    """Two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = socket.create_connection(server.getsockname())
        both = Line(server.accept()[0]), Line(there)
    other = threading.Thread(target=both[1].agree, args=(SECRET,))
    other.start()
    both[0].agree(SECRET)
    other.join()
    yield both
    for line in both:
        line.close()


def test_a_message_is_cut_on_its_way_and_arrives_whole(lines):
    heard, lost = list[Any](), list[ChordsError]()
    first, second = Link(lines[0], "node 1"), Link(lines[1], "node 0")
    second.begin(heard.append, lost.append)
    data = bytes(range(256)) * 1000
    first.send_message(3, data)
    first.send_message(4, b"x")
    first.send(Died(3, -9, "bye"))
    assert until(lambda: len(heard) == 3 and heard, "all frames") == [
        Piece(3, data, True), Piece(4, b"x", True), Died(3, -9, "bye"),
    ]  # fmt: skip
    first.close()
    (why,) = until(lambda: lost, "the end of the connection")
    assert why.message == "node 0 is gone: its connection ended"


def test_a_host_that_says_nothing_is_silent(lines, monkeypatch):
    monkeypatch.setattr(link, "SILENT_SECONDS", 1)
    lost = list[ChordsError]()
    Link(Line(lines[1]._socket.dup()), "node 0").begin(lambda frame: None, lost.append)
    (why,) = until(lambda: lost, "the silence")
    assert why.message == "node 0 is silent: nothing came from it for 1 s"


def test_a_worker_of_another_host_ends_as_one_here_does(lines):
    host = RemoteHost(Guest(hello=GUEST, line=lines[0], ahead=5.0))
    spec: Any = SpecOf(process=7)
    process = host.start(spec)
    there = Link(lines[1], "node 0")
    assert pickle.loads(lines[1].receive()).spec == spec
    there.send(Piece(7, pickle.dumps("ready"), True))
    assert process.pipe.recv() == "ready"
    process.pipe.send("job")
    assert pickle.loads(pickle.loads(lines[1].receive()).data) == "job"
    there.send(Piece(7, pickle.dumps("last word"), True))
    there.send(Died(7, -9, "bye"))
    until(lambda: not process.is_alive(), "its death")
    assert (process.exitcode, process.line, process.lost) == (-9, "bye", None)
    assert process.pipe.poll()
    assert process.pipe.recv() == "last word"
    with pytest.raises(EOFError):
        process.pipe.recv()
    with pytest.raises(OSError, match="has ended"):
        process.pipe.send("job")
    there.send(End(ChordsError("interrupted")))
    until(lambda: host.lost, "the end of its host")
    assert host.lost is not None
    assert host.lost.message == "node 1 (gpu-b): interrupted"


class SpecOf:
    """As much of a worker's settings as a host needs to know it."""

    def __init__(self, process: int) -> None:
        self.process = process

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpecOf) and other.process == self.process


def test_processes_of_a_launcher_are_counted_on_their_hosts(lines):
    hosts = Hosts(LOOPBACK, SECRET)
    place = Place(number=0, count=4, master="gpu-a:1", local=0, locals=2)
    for number, local in ((3, 1), (1, 1), (2, 0)):
        hello = replace(GUEST, number=number, count=4, local=local, devices=("cpu",))
        hosts.welcome(Guest(hello=hello, line=lines[0], ahead=0.0))
    hosts.settle(place, ("cpu",))
    assert hosts.devices.offers == ((0, ("cpu",)), (0, ("cpu",)), (1, ("cpu",)), (1, ("cpu",)))


@pytest.mark.parametrize("change", [lambda d: d[:-1] + b"!", lambda d: d[:40], lambda d: b"", None])
def test_what_somebody_between_two_hosts_changes_or_repeats_is_not_unpickled(change, lines):
    heard, lost = list[Any](), list[ChordsError]()
    Link(lines[1], "node 0").begin(heard.append, lost.append)
    first = lines[0]._outgoing.close(pickle.dumps(Died(3, -9, "bye")))
    second = lines[0]._outgoing.close(pickle.dumps(Died(4, -9, "bye")))
    lines[0].connection.send_bytes(first)
    lines[0].connection.send_bytes(change(second) if change else first)
    (why,) = until(lambda: lost, "the end of the connection")
    assert heard == [Died(3, -9, "bye")]
    assert why.message == "somebody between this host and node 0 has changed what it sent"


def test_an_end_that_repeats_what_the_other_sends_gets_no_key():
    with socket.create_server(("127.0.0.1", 0)) as server:
        mirror = socket.create_connection(server.getsockname())
        line = Line(server.accept()[0])
    threading.Thread(target=lambda: mirror.sendall(mirror.recv(1 << 10)), daemon=True).start()
    with pytest.raises(ForgedError):
        line.agree(SECRET)
    line.close()
    mirror.close()
