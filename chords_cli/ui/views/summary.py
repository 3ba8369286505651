"""Sums up a run in a few lines, from its record."""

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from chords_cli.records.run import RunRecord
from chords_cli.sampler.estimate import HELD
from chords_cli.ui.format import duration, members_of, plural


def paths(record: RunRecord) -> list[str]:
    """Returns the path of every result, in order."""
    folder = Path(record.settings.output)
    return [str(folder / sample.output) for sample in record.prompts]


def summary(record: RunRecord, before: int = 0) -> Text:
    """Writes the measured times, and what they say about the plan on these devices.

    Args:
        record: The run's.
        before: How many of its results earlier runs have made.
    """
    seconds = record.seconds
    if not seconds.load:
        made = plural(len(record.prompts), record.command)
        return Text.assemble((made, "bold green"), " made before, nothing left to do")
    head = Text.assemble(
        (plural(len(record.prompts) - before, record.command), "bold green"),
        f" in {duration(seconds.total)}"
        f" (start {duration(seconds.start)}, load {duration(seconds.load)})",
        f"; {before} made before" if before else "",
    )
    return Text("\n").join([head, *(Text(line, style="dim") for line in _details(record))])


def _details(record: RunRecord) -> Iterator[str]:
    """Yields the last result in rounds and seconds, and what to know about it."""
    last, devices = record.prompts[-1], record.devices
    steps = last.own.steps if last.own else record.plan.steps
    spent, rounds = last.seconds, last.rounds or steps
    if spent.decode and not spent.sample:
        yield f"decoding {duration(spent.decode)}; nothing was sampled"
        return
    compiling = f" compiling {duration(spent.compile)}," if spent.compile else ""
    yield (
        f"{'the last: ' if len(record.prompts) > 1 else ''}"
        f"{plural(rounds, 'round')}{_instead_of(rounds, steps)}:"
        f" encoding {duration(spent.encode)},{compiling} sampling {duration(spent.sample)},"
        f" decoding {duration(spent.decode)}"
    )
    if last.within is not None:
        yield (
            f"probably within {last.within:g} of the {steps}-step result (latent RMSE): in our "
            f"measurements {HELD:.0%} were"
        )
    unmet = _count_unmet(record)
    if unmet:
        several = len(record.prompts) > 1
        which = f" for {unmet} of {plural(len(record.prompts), record.command)}" if several else ""
        yield (
            f"no output differed less than {record.stop.residual:g} from the one before it{which}: "
            "the result is the last, core 0's"
        )
    if rounds < steps and len(set(devices)) < len(devices):
        where = ", ".join(dict.fromkeys(devices))
        members = members_of(record.settings.guidance_split, record.settings.context)
        yield (
            f"{plural(record.cores, 'core')}{members} share {where}: in seconds this is not the "
            f"{steps / rounds:.2f}x of cores that have a GPU each"
        )


def _instead_of(rounds: int, steps: int) -> str:
    """Compares the rounds with the steps of one core that takes all of them."""
    same = ", one for each step" if steps > 1 else ""
    return same if rounds == steps else f" instead of {plural(steps, 'step')}"


def _count_unmet(record: RunRecord) -> int:
    """Counts the results whose residual is not as small as the user wanted."""
    wanted = record.stop.residual
    if wanted is None:
        return 0
    results = (
        output
        for sample in record.prompts
        for output in sample.outputs
        if output.path == sample.output
    )
    return sum(output.residual is None or output.residual >= wanted for output in results)
