"""Runs commands on a terminal of their own, types on it, and reads what is shown."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.doubles.warm import Warm
from tests.faults.driver import Cell, Run
from tests.waiting import until

INTERRUPT, SUSPEND = "\x03", "\x1a"
"""Ctrl-C and Ctrl-Z."""

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal; what appears on it is read at once.

    Args:
        columns: How wide it is.

    Attributes:
        inside: The end of it that a command has as its standard streams.
    """

    def __init__(self, columns: int = 100) -> None:
        self._outside, self.inside = pty.openpty()
        size = struct.pack("HHHH", 40, columns, 0, 0)
        fcntl.ioctl(self.inside, termios.TIOCSWINSZ, size)
        self._shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        """What was written on it, escape sequences included."""
        return self._shown.decode(errors="replace")

    @property
    def text(self) -> str:
        """What was written on it, without escape sequences and with plain ends of lines."""
        return _ESCAPE.sub("", self.shown).replace("\r\n", "\n")

    def type(self, text: str) -> None:
        """Types on it."""
        os.write(self._outside, text.encode())

    def wait_for(self, text: str, after: int = 0) -> int:
        """Waits until a text appears; returns where it ends."""
        return until(lambda: self.text.find(text, after) + 1, text) - 1 + len(text)

    @property
    def shows_cursor(self) -> bool:
        """Whether nobody has hidden its cursor and not shown it again."""
        return self.shown.rfind("\x1b[?25l") <= self.shown.rfind("\x1b[?25h")

    def is_restored(self) -> bool:
        """Tells whether it shows its cursor and what is typed, and takes whole lines."""
        modes = termios.tcgetattr(self.inside)[3]
        return self.shows_cursor and all(modes & one for one in (termios.ECHO, termios.ICANON))

    def settle(self) -> None:
        """Waits until nothing that was written is left to read."""
        termios.tcdrain(self.inside)
        os.write(self.inside, b"\0end\0")
        until(lambda: b"\0end\0" in self._shown, "what was written")
        self._shown = self._shown.replace(b"\0end\0", b"")

    def close(self) -> None:
        """Closes it, as a window is closed."""
        for end in (self.inside, self._outside):
            with suppress(OSError):
                os.close(end)

    def _read(self) -> None:
        with suppress(OSError):
            while block := os.read(self._outside, 4096):
                self._shown += block


class OnTerminal(Run):
    """A run whose standard streams are a terminal.

    Args:
        cell: What runs.
        folder: Of its own.
        warm: What starts it.
        terminal: Where it runs.
    """

    def __init__(self, cell: Cell, folder: Path, warm: Warm, terminal: Terminal) -> None:
        super().__init__(cell, folder, warm.start)
        self._terminal = terminal

    def start(self) -> None:
        self.began = time.time()
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), self._terminal.inside)
        how = {"cwd": self.folder, "env": self.environment(), "start_new_session": True}
        assert self._start is not None
        self.process = self._start(*self.line(), **how, **streams)

    def type_in_shell(self, line: str) -> None:
        """Types a line of a shell that runs on the terminal; the first call starts it."""
        if not hasattr(self, "process"):
            self.began = time.time()
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), self._terminal.inside)
            self.process = subprocess.Popen(
                ["bash", "--norc", "--noprofile", "-i"],
                cwd=self.folder,
                env=self.environment() | {"PS1": "> "},
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                **streams,
            )
        self._terminal.type(f"{line}\r")

    def environment(self) -> dict[str, str]:
        told = {"TERM": "xterm-256color"} | super().environment()
        del told["COLUMNS"]
        return told


def pictures(run: Run) -> Sequence[str]:
    """Returns the names of the pictures of a run."""
    return sorted(path.name for path in run.out.glob("*.png"))
