"""Events as plain lines, for logs, pipes and whoever has no terminal."""

from functools import singledispatch

from chords_cli import events
from chords_cli.ui.console import Console
from chords_cli.ui.format import duration, headline, places, plural, promise, small
from chords_cli.ui.live.progress import Progress

Details = (
    events.ProcessesStarted,
    events.CoreReady,
    events.CoreEncoded,
    events.CoreStepped,
    events.OutputSaved,
)
"""Events that are worth a line to those who asked for more."""


def plain_lines(console: Console) -> events.Listener:
    """A listener that says each event that matters in one line on stderr."""
    progress = Progress()

    def listen(event: events.Event) -> None:
        progress.apply(event)
        if isinstance(event, events.CoreReady) and progress.all_ready:
            cores = plural(len(progress.cores), "core")
            console.say(f"{cores} ready after {duration(event.at - progress.loading_since)}")
        if console.verbose or not isinstance(event, Details):
            line = describe(event, progress)
            if line:
                console.say(line)

    return listen


@singledispatch
def describe(event: events.Event, progress: Progress) -> str:
    """One line about `event`, which `progress` knows already; empty when there is none."""
    return ""


@describe.register
def _(event: events.RunResolved, progress: Progress) -> str:
    where = places(event.devices)
    goal = promise(event.plan, event.stop)
    line = f"{event.model}: {headline(event.plan)} on {where}; {goal}"
    return f"{line}\n{event.note}" if event.note else line


@describe.register
def _(event: events.ProcessesStarted, progress: Progress) -> str:
    if event.method == "fork":
        return "the cores were forked from one process"
    return f"the cores were started one by one: {event.reason}"


@describe.register
def _(event: events.CoreReady, progress: Progress) -> str:
    loaded = ", ".join(event.components)
    return f"core {event.core} loaded {loaded} in {duration(event.seconds)}"


@describe.register
def _(event: events.PromptStarted, progress: Progress) -> str:
    return f"{event.number}/{event.total}: {event.prompt!r}, seed {event.seed}"


@describe.register
def _(event: events.CoreEncoded, progress: Progress) -> str:
    what = "received" if event.core else "encoded"
    return f"core {event.core} {what} the prompt in {duration(event.seconds)}"


@describe.register
def _(event: events.CoreStepped, progress: Progress) -> str:
    moved = f"core {event.core}, round {event.round + 1}: step {event.step} to {event.stop}"
    if event.correction is None:
        return moved
    waited = f" after {duration(event.waited)} of waiting" if event.waited >= 0.005 else ""
    return f"{moved}, corrected by {small(event.correction)}{waited}"


@describe.register
def _(event: events.OutputLanded, progress: Progress) -> str:
    rounds = plural(event.round, "round")
    landed = (
        f"output {event.index} from core {event.core} after {rounds}, {duration(event.seconds)}"
    )
    return landed if event.residual is None else f"{landed}, residual {small(event.residual)}"


@describe.register
def _(event: events.OutputSaved, progress: Progress) -> str:
    return f"output {event.index} saved: {event.path}"


@describe.register
def _(event: events.PromptDone, progress: Progress) -> str:
    return f"{_place(event.number, progress)}done in {duration(event.seconds)}: {event.path}"


@describe.register
def _(event: events.PromptSkipped, progress: Progress) -> str:
    return f"{_place(event.number, progress)}was made before: {event.path}"


def _place(number: int, progress: Progress) -> str:
    return f"{number}/{progress.prompt.total} " if progress.prompt else f"number {number} "
