"""Writes events as plain lines, for logs and pipes."""

from chords_cli import events
from chords_cli.ui.console import Console
from chords_cli.ui.format import (
    duration,
    headline,
    output_name,
    places,
    plural,
    process_name,
    promise,
    residual,
    small,
)
from chords_cli.ui.live.progress import Progress

DETAILS = (
    events.ProcessesStarted,
    events.CoreReady,
    events.CoreEncoded,
    events.CoreCompiled,
    events.CoreStepped,
    events.OutputSaved,
)
"""Events that get a line only with `--verbose`."""


def plain_lines(console: Console) -> events.Listener:
    """Returns a listener that prints one line on stderr for each event that matters."""
    progress = Progress()

    def listen(event: events.Event) -> None:
        progress.apply(event)
        if isinstance(event, events.CoreReady) and not event.member and progress.all_ready:
            cores = plural(len(progress.cores), "core")
            assert progress.loading_since is not None, "progress has noted an event"
            console.say(f"{cores} ready after {duration(event.at - progress.loading_since)}")
        if isinstance(event, events.CoreCompiled) and not event.member and not progress.compiling:
            console.say(f"compiled after {duration(event.at - progress.compiling_since)}")
        if console.verbose or not isinstance(event, DETAILS):
            line = describe(event, progress)
            if line:
                console.say(line)

    return listen


def describe(event: events.Event, progress: Progress) -> str:
    """Describes `event` in one line, empty for most events; `progress` has already noted it."""
    match event:
        case events.RunResolved():
            plan = headline(event.plan, event.members, event.groups)
            line = f"{event.model}: {plan} on {places(event.devices)}"
            line += f"; {promise(event.plan, event.stop)}"
            return f"{line}\n{event.note}" if event.note else line
        case events.ProcessesStarted(method="fork"):
            return "the cores were forked from one process"
        case events.ProcessesStarted():
            return f"the cores were started one by one: {event.reason}"
        case events.CoreReady() | events.CoreCompiled():
            return _describe_end(event)
        case events.Warned():
            return f"warning: {event.text}"
        case events.PromptStarted():
            return f"{event.number}/{event.total}: {event.prompt!r}, seed {event.seed}"
        case events.CoreEncoded():
            cores = progress.plan.cores if progress.plan else len(progress.cores)
            what = "received" if event.core % cores else "encoded"
            return f"core {event.core} {what} the prompt in {duration(event.seconds)}"
        case events.CoreCompiling(member=0) if progress.compiling == 1:
            return "torch compiles the model; sampling begins when it has done so for all cores"
        case events.CoreStepped():
            return _describe_step(event)
        case events.OutputLanded():
            when = f"after {plural(event.round, 'round')}, {duration(event.seconds)}"
            line = f"{output_name(event.index)} from core {event.core} {when}"
            if progress.several:
                line = f"{_name_sample(progress.core(event.core).number or 0, progress)}: {line}"
            far = residual(event.index, event.residual, progress.stop)
            return f"{line}, {far}" if far else line
        case events.OutputSaved():
            return f"{output_name(event.index)} saved: {event.path}"
        case events.PromptDone():
            name = _name_sample(event.number, progress)
            return f"{name} done in {duration(event.seconds)}: {event.path}"
        case events.PromptSkipped():
            return f"{_name_sample(event.number, progress)} was made before: {event.path}"
    return ""


def _describe_end(event: events.CoreReady | events.CoreCompiled) -> str:
    who, took = process_name(event.core, event.member), duration(event.seconds)
    if isinstance(event, events.CoreCompiled):
        return f"torch compiled the model of {who} in {took}"
    return f"{who} loaded {', '.join(event.components)} in {took}"


def _describe_step(event: events.CoreStepped) -> str:
    line = f"core {event.core}, round {event.round + 1}: step {event.step} to {event.stop}"
    if event.correction is None:
        return line
    waited = f" after {duration(event.waited)} of waiting" if event.waited >= 0.005 else ""
    moved = f"core {event.core - 1}, which moved it by {small(event.correction)}"
    return f"{line}, corrected by {moved}{waited}"


def _name_sample(number: int, progress: Progress) -> str:
    """Names an image or video: `2/4`, or `number 2` while the total is not known."""
    return f"{number}/{progress.prompt.total}" if progress.prompt else f"number {number}"
