"""A connection between two hosts that have met: frames, signs of life, and how its end is known.

Both ends send a beat every second. A host that sends nothing for longer is dead, cut off or
stopped, which the kernel would tell only after minutes, or never. So all waits have the same short
limit; whatever arrives counts, also a part of something large on a slow link.
"""

import pickle
import secrets
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler

from chords_cli.engine.exchange.seal import ForgedError, Seal, derive
from chords_cli.engine.hosts.frames import Beat, Frame, Piece
from chords_cli.errors import ChordsError

SILENT_SECONDS = 7
"""After how many seconds of silence a host is given up; everybody knows of it within ten."""

_BEAT_SECONDS = 1.0

_PIECE = 1 << 16
"""The bytes of a message that are sent at a time."""

_UNSENT = 1 << 17
"""The bytes that wait in the kernel, at most, before what is sent next."""


_NONCE = 32
"""Random bytes that make every line's seals its own."""


class Line:
    """An open socket, and the connection of `multiprocessing` on it; no wait on it is long.

    Once both ends have agreed on a key, what they send is sealed.
    """

    def __init__(self, opened: socket.socket) -> None:
        opened.settimeout(None)  # limits of Python's own would make reads return early
        limit = struct.pack("ll", SILENT_SECONDS, 0)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if lowat := getattr(socket, "TCP_NOTSENT_LOWAT", None):
            opened.setsockopt(socket.IPPROTO_TCP, lowat, _UNSENT)
        self._socket = opened
        self.connection = Connection(opened.dup().detach())
        self._outgoing = self._incoming = Seal(secrets.token_bytes(_NONCE), b"")  # opens nothing

    def agree(self, secret: bytes) -> None:
        """Agrees with the other end on a key that follows from the secret and is never sent.

        Raises:
            ForgedError: The other end repeats what this one sends.
        """
        own = secrets.token_bytes(_NONCE)
        self.connection.send_bytes(own)
        other = self.connection.recv_bytes(_NONCE)
        if own == other:
            raise ForgedError("the other end repeats this one")
        key = derive(secret, b"".join(sorted([own, other])))
        self._outgoing, self._incoming = Seal(key, own), Seal(key, other)

    def send(self, data: bytes) -> None:
        """Sends bytes, sealed."""
        self.connection.send_bytes(self._outgoing.close(data))

    def receive(self, longest: int | None = None) -> bytes:
        """Returns the bytes that the other end has sent.

        Raises:
            ForgedError: Somebody else has made or changed them.
        """
        return self._incoming.open(self.connection.recv_bytes(longest))

    def close(self) -> None:
        """Ends the connection; whoever waits for it, here or there, hears of it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Link:
    """Frames to and from another host, in the background, until one of them ends.

    Args:
        line: Where both have proved who they are: what comes there with their seal is unpickled.
        peer: The name of the other one.
    """

    def __init__(self, line: Line, peer: str) -> None:
        self._line, self._peer, self._sending = line, peer, threading.Lock()
        self._closed = threading.Event()

    def begin(self, hear: Callable[[Frame], None], lose: Callable[[ChordsError], None]) -> None:
        """Begins to listen, and to give signs of life.

        Args:
            hear: Called with every frame; a message comes in one piece.
            lose: Called once, when nothing comes any more.
        """
        threading.Thread(target=self._listen, args=(hear, lose), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, frame: Frame) -> None:
        """Sends a frame.

        Raises:
            OSError: The other one is gone.
        """
        with self._sending:
            self._line.send(bytes(ForkingPickler.dumps(frame)))

    def send_message(self, process: int, data: bytes) -> None:
        """Sends a message between the pool and a worker, whole or not at all.

        Raises:
            OSError: The other one is gone.
        """
        view = memoryview(data)
        for begin in range(0, len(data), _PIECE):
            end = begin + _PIECE
            self.send(Piece(process, bytes(view[begin:end]), end >= len(data)))

    def close(self) -> None:
        self._closed.set()
        self._line.close()

    def _beat(self) -> None:
        while not self._closed.wait(_BEAT_SECONDS):
            try:
                self.send(Beat())
            except OSError:
                return

    def _listen(self, hear: Callable[[Frame], None], lose: Callable[[ChordsError], None]) -> None:
        messages: dict[int, bytearray] = {}
        try:
            while True:
                frame = ForkingPickler.loads(self._line.receive())
                if isinstance(frame, Piece):
                    parts = messages.setdefault(frame.process, bytearray())
                    parts += frame.data
                    if frame.last:
                        hear(Piece(frame.process, bytes(messages.pop(frame.process)), last=True))
                elif not isinstance(frame, Beat):
                    hear(frame)
        except BlockingIOError:
            why = f"{self._peer} is silent: nothing came from it for {SILENT_SECONDS} s"
        except ForgedError:
            why = f"somebody between this host and {self._peer} has changed what it sent"
        except (EOFError, OSError, pickle.UnpicklingError):
            why = f"{self._peer} is gone: its connection ended"
        lose(ChordsError(why, "look at its terminal and at the network between the hosts"))
