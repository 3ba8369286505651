"""Shows a download on stderr: bars in a terminal, one line per file elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
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

_ORDER = "a download starts before its files arrive"


@contextmanager
def downloading(console: Console) -> Iterator[events.Listener]:
    """Yields a listener for a download's events that fits `console`."""
    if not console.talks:
        yield lambda event: None
    elif console.err.is_terminal and not console.err.is_dumb_terminal:
        with Bars(console) as bars:
            yield bars.listen
    else:
        yield Lines(console).listen


class Arrivals:
    """Counts from events how much of a model has arrived."""

    def __init__(self, event: events.DownloadStarted) -> None:
        self.model, self.files = event.model, len(event.sizes)
        self.total = sum(event.sizes.values())
        self._sizes, self._held = dict(event.sizes), dict(event.held)

    @property
    def done(self) -> int:
        """The bytes that have arrived."""
        return sum(self._held.values())

    @property
    def complete(self) -> int:
        """The number of files that are complete."""
        return sum(self._held[path] == size for path, size in self._sizes.items())

    @property
    def left(self) -> int:
        """The bytes that are missing."""
        return self.total - self.done

    def arrive(self, path: str, done: int) -> None:
        """Notes how many bytes of a file have arrived."""
        self._held[path] = done


class Lines:
    """Prints one line per file and per retry, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._arrivals: Arrivals | None = None

    def listen(self, event: events.Event) -> None:
        """Prints a line about `event` if it is worth one."""
        match event:
            case events.DownloadStarted():
                self._arrivals = Arrivals(event)
                self._console.say(Text(describe_start(self._arrivals)))
            case events.FileRetried():
                self._console.say(Text(describe_retry(event)))
            case events.FileFetched():
                assert self._arrivals is not None, _ORDER
                self._arrivals.arrive(event.path, event.total)
                place = f"{self._arrivals.complete}/{self._arrivals.files}"
                self._console.say(Text(f"{place} {event.path} {size(event.total)}"))


class Bars:
    """Shows a bar for the model and one per file that is on its way, with speed and time left."""

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
        self._model: TaskID | None = None
        self._files: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def listen(self, event: events.Event) -> None:
        """Draws what `event` changes."""
        match event:
            case events.DownloadStarted():
                self._begin(event)
            case events.FileArriving():
                self._move(event)
            case events.FileRetried():
                self._console.say(Text(describe_retry(event), style="yellow"))
            case events.FileFetched():
                self._progress.remove_task(self._files.pop(event.path))

    def _begin(self, event: events.DownloadStarted) -> None:
        self._arrivals = Arrivals(event)
        self._console.say(Text(describe_start(self._arrivals)))
        if self._model is not None:
            self._progress.remove_task(self._model)
        self._model = self._progress.add_task(
            f"[bold]{escape(event.model)}",
            total=self._arrivals.total,
            completed=self._arrivals.done,
        )

    def _move(self, event: events.FileArriving) -> None:
        assert self._arrivals is not None, _ORDER
        assert self._model is not None, _ORDER
        self._arrivals.arrive(event.path, event.done)
        if event.path not in self._files:
            self._files[event.path] = self._progress.add_task(
                escape(event.path), total=event.total, completed=event.done
            )
        self._progress.update(self._files[event.path], completed=event.done)
        self._progress.update(self._model, completed=self._arrivals.done)


def describe_start(arrivals: Arrivals) -> str:
    """Says in one line what is about to be fetched."""
    what = f"{arrivals.model}: {plural(arrivals.files, 'file')}, {size(arrivals.total)}"
    if not arrivals.left:
        return f"{what}; all is there"
    present = f", {size(arrivals.done)} are there" if arrivals.done else ""
    return f"{what}{present}; fetching {size(arrivals.left)}"


def describe_retry(event: events.FileRetried) -> str:
    """Says in one line why a file is requested again."""
    return f"{event.path}: {event.reason}; again in {duration(event.seconds)}"
