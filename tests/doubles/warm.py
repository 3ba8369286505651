"""Commands in processes of their own that need not import torch and diffusers each time.

One process imports them, once for all tests, and forks another for every command: `warm_server`. A
command's process is as it is when a user types `chords`: arguments, environment, folder, streams,
signals, children. What libraries say or read while they are imported, and when a command has them
imported, is for commands that start from nothing.
"""

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]

RELAY = Path(__file__).with_name("warm_relay.py")
"""A program that runs a command line there, for programs that start others themselves."""

_INHERITED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command:
    """A command that runs; what tests use of `subprocess.Popen`."""

    def __init__(self, link: socket.socket, stdout: IO[str] | None, stderr: IO[str] | None) -> None:
        self._link, self._said = link, b""
        self.stdout, self.stderr = stdout, stderr
        self.pid = self._number(None) or 0
        assert self.pid, "the process that commands are forked from has ended"
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns the exit code once the command has ended."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end of the command and returns its exit code."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for the end; returns what is left to read of standard output and error."""
        said = dict[IO[str], str]()

        def read(stream: IO[str]) -> None:
            said[stream] = stream.read()

        streams = [stream for stream in (self.stdout, self.stderr) if stream]
        readers = [threading.Thread(target=read, args=(one,), daemon=True) for one in streams]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        out, err = (said[one] if one else "" for one in (self.stdout, self.stderr))
        return out, err

    def send_signal(self, number: int) -> None:
        """Sends the command a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills the command, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self.returncode = self._number(timeout)
        return self.returncode

    def _number(self, timeout: float | None) -> int | None:
        while b"\n" not in self._said:
            if not select.select([self._link], [], [], timeout)[0]:
                return None
            if not (more := self._link.recv(64)):
                return None
            self._said += more
        number, _, self._said = self._said.partition(b"\n")
        return int(number)


class Warm:
    """Starts commands: the process that has imported what they need listens at `address`."""

    def __init__(self, address: Path) -> None:
        self.address = address

    def start(
        self,
        *arguments: object,
        cwd: Path,
        env: Mapping[str, str],
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[str] = subprocess.PIPE,
        stderr: int | IO[str] = subprocess.PIPE,
        start_new_session: bool = False,
        network: str | None = None,
        script: Path | None = None,
    ) -> Command:
        """Starts a command line, as `subprocess.Popen` would start `chords`.

        A terminal that is standard input becomes that of a new session.

        Args:
            network: The network namespace, as a path.
            script: What Python runs with these arguments instead of `chords`.
        """
        request = {
            "arguments": [*map(str, arguments)],
            "cwd": str(cwd),
            "environment": dict(env),
            "session": start_new_session,
            "network": network,
            "script": script and str(script),
            "ignored": [n for n in _INHERITED if signal.getsignal(n) is signal.SIG_IGN],
        }
        streams = [_opened(stream) for stream in (stdin, stdout, stderr)]
        link = asked(self.address, request, [theirs for theirs, _ in streams])
        for given, (theirs, _) in zip((stdin, stdout, stderr), streams, strict=True):
            if isinstance(given, int) and given < 0:
                os.close(theirs)
        return Command(link, streams[1][1], streams[2][1])


def asked(address: Path, request: dict[str, Any], streams: Sequence[int] = ()) -> socket.socket:
    """Sends a request to the process that listens there; returns where it answers.

    A command answers with its number, and with its exit code in the end.
    """
    link = socket.socket(socket.AF_UNIX)
    link.connect(str(address))
    message = json.dumps(request).encode()
    socket.send_fds(link, [len(message).to_bytes(4, "big")], streams)
    link.sendall(message)
    return link


@contextmanager
def warm(folder: Path) -> Iterator[Warm]:
    """Gives what starts commands; all who name one folder share the process that it forks."""
    address = folder / "warm"
    with (folder / "warm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            held = asked(address, {})
        except OSError:
            address.unlink(missing_ok=True)
            _begin(address, folder / "warm.log")
            held = asked(address, {})
    with held:
        yield Warm(address)


def _begin(address: Path, log: Path) -> None:
    place = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    with socket.socket(socket.AF_UNIX) as listener, log.open("w") as said:
        listener.bind(str(address))
        listener.listen()
        subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.warm_server"],
            cwd=ROOT,
            env={**os.environ, **place},
            stdin=listener.fileno(),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def _opened(stream: int | IO[str]) -> tuple[int, IO[str] | None]:
    """Returns a command's end of a stream, and this process's."""
    if stream == subprocess.DEVNULL:
        return os.open(os.devnull, os.O_RDWR), None
    if stream == subprocess.PIPE:
        ours, theirs = os.pipe()
        return theirs, os.fdopen(ours)
    return stream if isinstance(stream, int) else stream.fileno(), None
