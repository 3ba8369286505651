"""A download on stderr: bars by bytes in a terminal, one line per file elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import singledispatchmethod

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from rich.text import Text

from chords_cli import events
from chords_cli.ui.console import Console
from chords_cli.ui.format import duration, plural, size

Listener = Callable[[events.Event], None]

_ORDER = "a download starts before its files arrive"


@contextmanager
def downloading(console: Console) -> Iterator[Listener]:
    """A listener for a download's events that fits `console`."""
    if not console.talks:
        yield lambda event: None
    elif console.err.is_terminal and not console.err.is_dumb_terminal:
        with Bars(console) as bars:
            yield bars.listen
    else:
        yield Lines(console).listen


class Arrivals:
    """How much of a model is there, from its events."""

    def __init__(self, event: events.DownloadStarted) -> None:
        self.model, self.files = event.model, len(event.sizes)
        self.total = sum(event.sizes.values())
        self._sizes, self._held = dict(event.sizes), dict(event.held)

    @property
    def done(self) -> int:
        """The bytes that are there."""
        return sum(self._held.values())

    @property
    def whole(self) -> int:
        """The files that are complete."""
        return sum(self._held[path] == size for path, size in self._sizes.items())

    @property
    def left(self) -> int:
        """The bytes that are to come."""
        return self.total - self.done

    def arrive(self, path: str, done: int) -> None:
        """Takes note of the bytes of a file that are there."""
        self._held[path] = done


class Lines:
    """One line per file and per hitch, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._arrivals: Arrivals | None = None

    def listen(self, event: events.Event) -> None:
        """Says what is worth a line."""
        line = self._note(event)
        if line:
            self._console.say(Text(line))

    @singledispatchmethod
    def _note(self, event: events.Event) -> str:
        """The line about `event`; empty when there is none."""
        return ""

    @_note.register
    def _(self, event: events.DownloadStarted) -> str:
        self._arrivals = Arrivals(event)
        return opening(self._arrivals)

    @_note.register
    def _(self, event: events.FileRetried) -> str:
        return hitch(event)

    @_note.register
    def _(self, event: events.FileFetched) -> str:
        assert self._arrivals is not None, _ORDER
        self._arrivals.arrive(event.path, event.total)
        place = f"{self._arrivals.whole}/{self._arrivals.files}"
        return f"{place} {event.path} {size(event.total)}"


class Bars:
    """A bar for the whole and one for every file on its way, with speed and time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True)),
            BarColumn(bar_width=16),
            DownloadColumn(table_column=Column(no_wrap=True)),
            TransferSpeedColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            expand=True,
            console=console.err,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._arrivals: Arrivals | None = None
        self._whole: TaskID | None = None
        self._files: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    @singledispatchmethod
    def listen(self, event: events.Event) -> None:
        """Draws what `event` changes."""

    @listen.register
    def _(self, event: events.DownloadStarted) -> None:
        self._arrivals = Arrivals(event)
        self._console.say(Text(opening(self._arrivals)))
        if self._whole is not None:
            self._progress.remove_task(self._whole)
        self._whole = self._progress.add_task(
            f"[bold]{event.model}", total=self._arrivals.total, completed=self._arrivals.done
        )

    @listen.register
    def _(self, event: events.FileArriving) -> None:
        assert self._arrivals is not None, _ORDER
        assert self._whole is not None, _ORDER
        self._arrivals.arrive(event.path, event.done)
        if event.path not in self._files:
            self._files[event.path] = self._progress.add_task(
                event.path, total=event.total, completed=event.done
            )
        self._progress.update(self._files[event.path], completed=event.done)
        self._progress.update(self._whole, completed=self._arrivals.done)

    @listen.register
    def _(self, event: events.FileRetried) -> None:
        self._console.say(Text(hitch(event), style="yellow"))

    @listen.register
    def _(self, event: events.FileFetched) -> None:
        self._progress.remove_task(self._files.pop(event.path))


def opening(arrivals: Arrivals) -> str:
    """What is about to be fetched, in one line."""
    what = f"{arrivals.model}: {plural(arrivals.files, 'file')}, {size(arrivals.total)}"
    if not arrivals.left:
        return f"{what}; all is there"
    there = f", {size(arrivals.done)} are there" if arrivals.done else ""
    return f"{what}{there}; fetching {size(arrivals.left)}"


def hitch(event: events.FileRetried) -> str:
    """Why a file is asked for again, in one line."""
    return f"{event.path}: {event.reason}; again in {duration(event.seconds)}"
