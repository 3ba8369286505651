"""How hosts meet: the terminal waits at an address, the others come there and say what they are.

Both ends prove that they know the secret (`multiprocessing.connection`) before anything else is
read, and agree on a key with which they seal everything that follows. Then each says what it runs,
in JSON, which every version reads; only hosts that run the same go on to frames, which are pickled.
"""

import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import answer_challenge, deliver_challenge

from chords_cli.engine.hosts.hello import Hello, compare, read_hello
from chords_cli.engine.hosts.link import SILENT_SECONDS, Line
from chords_cli.engine.hosts.network import Address, Interface
from chords_cli.engine.hosts.places import name_of_place
from chords_cli.errors import ChordsError, UsageError
from chords_cli.tools import SECRET

_LONGEST = 1 << 20
"""Bytes of what a host says of itself."""

_TRY_SECONDS = 0.5
"""Between two attempts to reach a host that does not wait yet."""

_GLANCE_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Guest:
    """A host that has come: what it says, its line, and how far ahead its clock is."""

    hello: Hello
    line: Line
    ahead: float


class Door:
    """Where the terminal's host waits for the others.

    Raises:
        UsageError: Nobody can wait at that address.
    """

    def __init__(self, address: Address, secret: bytes) -> None:
        self._secret, self._refused = secret, list[str]()
        self._came: queue.Queue[tuple[Line, Hello] | str] = queue.Queue()
        family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
        try:
            self._socket = socket.create_server((address.ip, address.port), family=family)
        except OSError as error:
            raise UsageError(
                f"hosts cannot meet at {address}: {error.strerror or error}",
                "write another port with {master_addr}, if another program uses this one",
                {"master_addr": f"{address.ip}:{address.port + 1}"},
            ) from error
        self.address = Address(ip=address.ip, port=self._socket.getsockname()[1])
        threading.Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        """Lets nobody in any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def guests(
        self, own: Hello, seconds: float, say: Callable[[str], None], check: Callable[[], None]
    ) -> Iterator[Guest]:
        """Yields every other host as it comes.

        Args:
            own: What this one says of itself.
            seconds: For how long to wait for all of them.
            say: Called with what the user may want to know meanwhile.
            check: Called again and again; raises an error if one that has come is gone.

        Raises:
            UsageError: A host differs from this one, or cannot take part.
            ChordsError: A host did not come.
        """
        deadline, missing = time.monotonic() + seconds, set(range(1, own.count))
        while missing:
            check()
            try:
                came = self._came.get(timeout=_GLANCE_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise self._absent(own, sorted(missing), seconds) from None
                continue
            if isinstance(came, str):
                self._refused.append(came)
                say(came)
                continue
            line, hello = came
            with _answering(line, hello) as answer:
                compare(own, hello, missing)
                ahead = _measure_clock(line)
                answer({})
            missing.remove(hello.number)
            say(f"{hello.name} is here with {', '.join(hello.devices)}")
            yield Guest(hello=hello, line=line, ahead=ahead)

    def _open(self) -> None:
        with suppress(OSError):  # closed
            while True:
                came, address = self._socket.accept()
                threading.Thread(target=self._let_in, args=(came, address[0]), daemon=True).start()

    def _let_in(self, came: socket.socket, ip: str) -> None:
        """Listens to whoever came, once that has proved to know the secret."""
        line = Line(came)
        try:
            deliver_challenge(line.connection, self._secret)
            answer_challenge(line.connection, self._secret)
            line.agree(self._secret)
            said = json.loads(line.receive(_LONGEST))
            self._came.put((line, read_hello(said)))
        except AuthenticationError:
            line.close()
            self._came.put(f"{ip} was refused: it does not have the same {SECRET}")
        except (EOFError, OSError, ValueError, TypeError, KeyError, AssertionError):
            line.close()  # no host of ours, which says why itself

    def _absent(self, own: Hello, missing: list[int], seconds: float) -> ChordsError:
        names = [name_of_place(k, launched=own.local is not None) for k in missing]
        refused = f"; {self._refused[-1]}" if self._refused else ""
        return ChordsError(
            f"{', '.join(names)} did not come to {self.address} within {seconds:g} s{refused}",
            "type the same on every host, with its own {node_rank}",
            {"node_rank": None},
        )


def come(
    address: Address, interface: Interface, secret: bytes, hello: Hello, seconds: float
) -> Line:
    """Goes to the terminal's host, proves to know the secret and says what this host is.

    Args:
        address: Where that host waits.
        interface: The way there.
        secret: What all hosts share.
        hello: What this one says of itself.
        seconds: For how long to try.

    Raises:
        UsageError: The hosts differ.
        ChordsError: Nobody is there.
    """
    there = f"{name_of_place(0, launched=hello.local is not None)} at {address}"
    line = Line(_reach(address, interface, there, seconds))
    try:
        answer_challenge(line.connection, secret)
        deliver_challenge(line.connection, secret)
        line.agree(secret)
        line.send(json.dumps(asdict(hello)).encode())
        while (answer := json.loads(line.receive(_LONGEST))).get("clock"):
            line.send(json.dumps(time.monotonic()).encode())
    except AuthenticationError as error:
        line.close()
        raise UsageError(
            f"{there} does not have the same {SECRET}",
            f"set {SECRET} to the same text on every host",
        ) from error
    except (EOFError, OSError, ValueError, AssertionError) as error:
        line.close()
        raise ChordsError(
            f"{there} did not answer as chords does",
            "run the same version of chords on every host; another program may use that port",
        ) from error
    if why := answer.get("refused"):
        line.close()
        raise UsageError(why, answer.get("hint", ""))
    return line


def _reach(address: Address, interface: Interface, there: str, seconds: float) -> socket.socket:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(
                (address.ip, address.port), SILENT_SECONDS, source_address=(interface.ip, 0)
            )
        except OSError as error:
            if time.monotonic() > deadline:
                raise ChordsError(
                    f"{there} cannot be reached from {interface.ip} on {interface.name}: "
                    f"{error.strerror or error}",
                    "look whether it waits for this one, and at the network between them",
                ) from error
            time.sleep(_TRY_SECONDS)


@contextmanager
def _answering(line: Line, hello: Hello) -> Iterator[Callable[[dict[str, object]], None]]:
    """Yields what answers a host; tells it about an error inside the block, too."""

    def answer(words: dict[str, object]) -> None:
        line.send(json.dumps(words).encode())

    try:
        yield answer
    except ChordsError as error:
        with suppress(OSError):
            answer({"refused": error.message, "hint": error.hint})
        raise
    except (EOFError, OSError, ValueError) as error:
        raise ChordsError(
            f"{hello.name} went away while it was greeted", "look at its terminal"
        ) from error


def _measure_clock(line: Line) -> float:
    """Returns how many seconds the other host's monotonic clock is ahead of this one's."""
    began = time.monotonic()
    line.send(json.dumps({"clock": True}).encode())
    theirs = float(json.loads(line.receive(_LONGEST)))
    return theirs - (began + time.monotonic()) / 2
