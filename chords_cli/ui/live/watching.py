"""Shows a run on stderr, from its events: as a live panel in a terminal, else as plain lines."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from chords_cli import events
from chords_cli.ui.console import Console
from chords_cli.ui.format import plural
from chords_cli.ui.live.lines import DETAILS, describe, plain_lines
from chords_cli.ui.live.panel import draw
from chords_cli.ui.live.progress import Progress

_ECHO = "^C"
"""The text that a terminal adds to the panel's last line on Ctrl-C; there must be room for it."""

_SHOW_CURSOR, _HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"

_MOST_WARNINGS = 8
"""That follow the panel; the record has all."""


@contextmanager
def watching(console: Console) -> Iterator[events.Listener]:
    """Yields a listener for a run's events that fits `console`: the panel, lines, or nothing."""
    if not console.talks:
        yield lambda event: None
    elif console.err.is_terminal and not console.err.is_dumb_terminal:
        panel = LivePanel(verbose=console.verbose)
        live = Live(
            panel,
            console=console.err,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            with live, _showing_the_cursor_while_stopped(console):
                try:
                    yield lambda event: panel.listen(event, live)
                finally:
                    live.transient = not panel.started
        finally:
            for line in panel.warnings():
                console.say(Text(line, style="yellow"))
    else:
        yield plain_lines(console)


@contextmanager
def _showing_the_cursor_while_stopped(console: Console) -> Iterator[None]:
    """Lets Ctrl-Z inside leave the shell a cursor, which the panel hides again after `fg`."""

    def stop(number: int, frame: FrameType | None) -> None:
        stream = console.err.file.fileno()  # past rich, which may be in the middle of writing
        with suppress(OSError):  # the terminal may be gone
            os.write(stream, _SHOW_CURSOR)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # returns when the program goes on
        signal.signal(number, stop)
        with suppress(OSError):
            os.write(stream, _HIDE_CURSOR)

    before = signal.getsignal(signal.SIGTSTP)
    if before is not signal.SIG_IGN:  # whoever has started this wants it not to stop
        signal.signal(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


class LivePanel:
    """A renderable that one thread draws while other threads bring events."""

    def __init__(self, *, verbose: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._lock = Progress(), threading.Lock()
        self._verbose, self._now, self._since = verbose, now, now()

    @property
    def started(self) -> bool:
        """Whether any core has done something; if not, the panel need not stay."""
        return any(core.state != "starting" for core in self._progress.cores.values())

    def warnings(self) -> Iterator[str]:
        """Yields the lines that follow the panel."""
        told = self._progress.warnings
        yield from (f"warning: {text}" for text in told[:_MOST_WARNINGS])
        if (more := len(told) - _MOST_WARNINGS) > 0:
            assert self._progress.resolved is not None, "a run is resolved before it can warn"
            yield f"{plural(more, 'more warning')} in {self._progress.resolved.output}"

    def listen(self, event: events.Event, live: Live) -> None:
        """Notes `event`; prints above the panel what should stay there."""
        with self._lock:
            self._progress.apply(event)
            line = describe(event, self._progress) if self._should_stay(event) else ""
        if isinstance(event, events.RunResolved) and event.note:
            live.console.print(event.note)
        if line:
            live.console.print(line, style="dim", soft_wrap=True)

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            width = options.max_width - len(_ECHO)
            seconds = self._now() - self._since
            yield draw(self._progress, width, options.size.height, seconds)

    def _should_stay(self, event: events.Event) -> bool:
        """Tells whether a line about `event` should stay above the panel."""
        if isinstance(event, events.PromptDone | events.PromptSkipped):
            return self._verbose or self._progress.total > 1
        in_panel = isinstance(event, events.CoreStepped)
        return self._verbose and isinstance(event, DETAILS) and not in_panel
