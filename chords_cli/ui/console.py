"""The only printer of the package: data goes to stdout, talk goes to stderr.

How much is printed is chosen once. In `json` mode stdout is one document; in `quiet` mode stdout is
bare data, and nothing but errors goes to stderr.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.text import Text

from chords_cli.errors import StdoutError
from chords_cli.ui.format import one_line

Mode = Literal["human", "json", "quiet"]


class _Talk(RichConsole):
    """rich's console on stderr, where a reader that is gone is no reason to end."""

    def on_broken_pipe(self) -> None:
        _send_to_nowhere(sys.stderr.fileno())


class Console:
    """Prints what a command has to say.

    Attributes:
        mode: Who reads it: a person, a program, or a person who wants results only.
        verbose: Whether a person also wants the details.
        out: rich's console on stdout.
        err: rich's console on stderr.
    """

    def __init__(self, mode: Mode = "human", *, verbose: bool = False) -> None:
        self.mode: Mode = mode
        self.verbose = verbose
        self.out = RichConsole(highlight=False, markup=False, emoji=False)
        self.err = _Talk(stderr=True, highlight=False, markup=False, emoji=False)

    @property
    def talks(self) -> bool:
        """Whether a person reads along."""
        return self.mode == "human"

    def show(self, renderable: RenderableType) -> None:
        """Prints a result for people on stdout."""
        for part, soft_wrap in _wrapped(renderable, self.out):
            self._print(part, soft_wrap=soft_wrap)

    def line(self, text: str) -> None:
        """Prints one bare line of data on stdout, however wide the terminal is."""
        self._print(Text(text), soft_wrap=True)

    def document(self, document: Any) -> None:
        """Prints a JSON document on stdout."""
        self.line(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Shows on a terminal that something goes on inside, below what is shown meanwhile."""
        with self.out.status(Text(text, style="dim")) if self.talks else nullcontext():
            yield

    def say(self, renderable: RenderableType) -> None:
        """Prints talk on stderr if a person reads along."""
        if self.talks:
            for part, soft_wrap in _wrapped(renderable, self.err):
                self._talk(part, soft_wrap=soft_wrap)

    def error(self, message: str, hint: str = "") -> None:
        """Prints an error: two lines on stderr; in `json` mode a document on stdout if possible."""
        message, hint = one_line(message), one_line(hint)
        if self.mode == "json":
            with suppress(StdoutError):
                self.document({"error": {"message": message, "hint": hint}})
                return
        self._talk(Text.assemble(("error: ", "bold red"), message))
        if hint:
            self._talk(Text.assemble(("hint: ", "bold cyan"), hint))

    def traceback(self) -> None:
        """Prints the traceback of the error that is being handled, for developers."""
        self._talk(Text(traceback.format_exc()))

    def _talk(self, renderable: RenderableType, *, soft_wrap: bool = True) -> None:
        """Prints on stderr; what nobody can read there ends no run."""
        try:
            self.err.print(renderable, soft_wrap=soft_wrap)
        except OSError:
            _send_to_nowhere(sys.stderr.fileno())

    def _print(self, renderable: RenderableType, *, soft_wrap: bool) -> None:
        """Prints on stdout.

        Raises:
            StdoutError: It cannot be written, for example a file on a full disk.
        """
        try:
            self.out.print(renderable, soft_wrap=soft_wrap)
        except OSError as error:
            _send_to_nowhere(sys.stdout.fileno())  # or flushing its buffer at exit would fail again
            raise StdoutError(
                f"standard output cannot be written: {error.strerror}",
                "make room, or write it elsewhere",
            ) from error


def _wrapped(
    renderable: RenderableType, console: RichConsole
) -> Iterator[tuple[RenderableType, bool]]:
    """Yields what to print, and whether that is left to the terminal to wrap.

    Lines of text are wrapped between words, but only on a terminal, and not if a word, such as a
    path, is wider than that: it is to be copied in one piece.
    """
    renderable = Text(renderable) if isinstance(renderable, str) else renderable
    if not isinstance(renderable, Text):
        yield renderable, False
    elif not console.is_terminal:
        yield renderable, True
    else:
        for line in renderable.split("\n", allow_blank=True):
            longest = max(map(cell_len, line.plain.split()), default=0)
            yield line, longest > console.width


def open_closed_streams() -> None:
    """Opens closed standard streams to nowhere, before a file gets one of their numbers."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            _send_to_nowhere(number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def ignore_no_width() -> None:
    """Forgets a width of 0, that of a terminal of unknown size: nothing would be printed."""
    if os.environ.get("COLUMNS", "").strip("0 ") == "":
        os.environ.pop("COLUMNS", None)


def never_fail_on_encoding() -> None:
    """Makes a stream that cannot encode a character write `?` instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")


def let_go_of_dead_terminals() -> None:
    """Redirects stdout and stderr to nowhere if their terminal is gone."""
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        try:
            os.write(stream, b"")
        except OSError:
            _send_to_nowhere(stream)


def _send_to_nowhere(stream: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != stream:
        os.dup2(nowhere, stream)
        os.close(nowhere)
