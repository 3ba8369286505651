"""Workers on other hosts, as the pool sees them: a process that ends, and a pipe.

Messages wait here in memory until the pool reads them: while it is busy with a picture, a host
whose messages were left in the network would take this one for dead.
"""

import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from multiprocessing import Pipe
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from chords_cli.engine.exchange.seal import derive
from chords_cli.engine.hosts.frames import Died, End, Frame, Kill, Piece, Start
from chords_cli.engine.hosts.link import Link
from chords_cli.engine.hosts.meeting import Guest
from chords_cli.engine.hosts.network import Interface
from chords_cli.engine.hosts.places import HostDevices, Place
from chords_cli.engine.messages import WorkerSpec
from chords_cli.errors import ChordsError


class RemoteHost:
    """Another host of a run; its workers are started and heard here.

    Attributes:
        name: What users read of it.
        ahead: How many seconds its clock is ahead of this host's.
        lost: Why nothing more can come of it; None while it is there.
    """

    def __init__(self, guest: Guest) -> None:
        self.name, self.ahead = guest.hello.name, guest.ahead
        self.lost: ChordsError | None = None
        self._processes: dict[int, RemoteProcess] = {}
        self._link = Link(guest.line, self.name)
        self._link.begin(self._hear, self._lose)

    def start(self, spec: WorkerSpec) -> "RemoteProcess":
        """Starts a worker there.

        Raises:
            ChordsError: The host is gone.
        """
        process = self._processes[spec.process] = RemoteProcess(self, self._link, spec.process)
        try:
            self._link.send(Start(spec))
        except OSError as error:
            raise self.lost or ChordsError(f"{self.name} is gone: {error}") from error
        if self.lost:
            process.end(None)
        return process

    def end(self, end: End) -> None:
        """Tells it that the run is over, and how."""
        with suppress(OSError):
            self._link.send(end)
        self._link.close()

    def _hear(self, frame: Frame) -> None:
        match frame:
            case Piece(process=number, data=data):
                self._processes[number].pipe.put(data)
            case Died(process=number, code=code, line=line):
                self._processes[number].end(code, line)
            case End(error=error):
                why = error or ChordsError("ended")
                self._lose(why.reworded(f"{self.name}: {{message}}"))

    def _lose(self, why: ChordsError) -> None:
        self.lost = self.lost or why
        for process in [*self._processes.values()]:
            process.end(None)


class RemoteProcess:
    """A worker on another host, with what the pool uses of `multiprocessing`'s process.

    Attributes:
        pipe: The pool's end of its pipe.
        sentinel: Becomes readable when the worker has ended.
        exitcode: None while it runs, and where its host is lost.
        line: The last that it printed.
    """

    def __init__(self, host: RemoteHost, link: Link, number: int) -> None:
        self._host, self._link, self._number = host, link, number
        self.pipe = RemotePipe(link, number)
        self.sentinel, self._alive = Pipe(duplex=False)
        self._ended = threading.Event()
        self.exitcode: int | None = None
        self.line = ""

    @property
    def lost(self) -> ChordsError | None:
        """Why its host is gone."""
        return self._host.lost

    @property
    def ahead(self) -> float:
        """How many seconds its clock is ahead of this host's."""
        return self._host.ahead

    def is_alive(self) -> bool:
        return not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        self._ended.wait(timeout)

    def terminate(self) -> None:
        """Ends the worker by force."""
        with suppress(OSError):
            self._link.send(Kill(self._number))

    kill = terminate

    def end(self, code: int | None, line: str = "") -> None:
        """Notes that the worker has ended."""
        if not self._ended.is_set():
            self.exitcode, self.line = code, line
            self._ended.set()
            self.pipe.end()
            self._alive.close()


class RemotePipe:
    """The pool's end of the way to a worker on another host."""

    def __init__(self, link: Link, number: int) -> None:
        self._link, self._number = link, number
        self._waiting: deque[bytes] = deque()
        self._counting, self._over = threading.Lock(), False
        self._signal, self._signals = Pipe(duplex=False)

    def send(self, message: object) -> None:
        """Sends a message.

        Raises:
            OSError: The host or the worker is gone.
        """
        if self._over:
            raise BrokenPipeError("the worker has ended")
        self._link.send_message(self._number, bytes(ForkingPickler.dumps(message)))

    def recv(self) -> Any:
        """Returns the next message, once there is one.

        Raises:
            EOFError: None will come.
        """
        wait([self._signal])
        with self._counting:
            if not self._waiting:
                raise EOFError
            data = self._waiting.popleft()
            if not self._waiting and not self._over:
                self._signal.recv_bytes()
        return ForkingPickler.loads(data)

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Tells whether there is a message, or the end."""
        return bool(wait([self._signal], timeout))

    def fileno(self) -> int:
        """Returns what is readable while there is a message, or the end."""
        return self._signal.fileno()

    def close(self) -> None:
        self.end()
        self._signal.close()

    def put(self, data: bytes) -> None:
        """Takes a message that has arrived."""
        with self._counting:
            if self._over:
                return
            self._waiting.append(data)
            if len(self._waiting) == 1:
                self._signals.send_bytes(b"!")

    def end(self) -> None:
        """Lets no message follow."""
        with self._counting:
            if not self._over:
                self._over = True
                self._signals.close()


class Hosts:
    """All hosts of a run, as the terminal's pool uses them.

    Args:
        interface: Where this host meets the others.
        secret: What all hosts share.
    """

    def __init__(self, interface: Interface, secret: bytes) -> None:
        self._interface, self._others = interface, list[tuple[Guest, RemoteHost]]()
        self._secret = secret
        self._devices: HostDevices | None = None
        self._owners: dict[str, list[RemoteHost | None]] = {}

    def welcome(self, guest: Guest) -> None:
        """Adds a host that has come."""
        self._others.append((guest, RemoteHost(guest)))

    def settle(self, place: Place, devices: tuple[str, ...]) -> None:
        """Numbers the hosts' devices, when all have come; this one brings `devices`.

        A launcher starts the processes of a host one after the other, and counts them there.
        """
        self._others.sort(key=lambda other: other[0].hello.number)
        offers, host = [(0, devices)], 0
        for guest, _ in self._others:
            host += not guest.hello.local
            offers.append((host, guest.hello.devices))
        self._devices = HostDevices(place=place, offers=tuple(offers))
        owners = (None, *(other for _, other in self._others))
        for owner, (host, offered) in zip(owners, offers, strict=True):
            for device in offered:
                self._owners.setdefault(f"node{host}:{device}", []).append(owner)

    @property
    def devices(self) -> HostDevices:
        """What all of them bring."""
        assert self._devices is not None, "all hosts have come"
        return self._devices

    def join(self, specs: Sequence[WorkerSpec]) -> Iterator[tuple[WorkerSpec, RemoteHost | None]]:
        """Yields the workers' settings for several hosts, each with the host that starts it.

        None stands for this one. Where processes of a host bring the same device, they take turns.
        The key of the processes follows from what is sent and from the secret, which is not.
        """
        turns = {name: cycle(owners) for name, owners in self._owners.items()}
        family = socket.AF_INET6 if ":" in self._interface.ip else socket.AF_INET
        with socket.create_server((self._interface.ip, 0), family=family) as meeting:
            port = meeting.getsockname()[1]
            for spec in specs:
                owner = next(turns[spec.place])
                found = replace(
                    spec,
                    key=spec.key if owner else derive(self._secret, spec.key),
                    rendezvous=f"{self._interface.ip}#{port}",
                    interface=self._interface.name,
                    listening=None if spec.process else meeting,
                )
                yield found, owner

    def check(self) -> None:
        """Refuses to go on without one of them.

        Raises:
            ChordsError: A host is gone.
        """
        for _, host in self._others:
            if host.lost:
                raise host.lost

    def end(self, error: ChordsError | None = None) -> None:
        """Tells all others that the run is over, and of which error if it has failed."""
        for _, host in self._others:
            host.end(End(error))
