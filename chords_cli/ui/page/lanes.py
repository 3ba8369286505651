"""Turns the timeline of a sample into shapes: one lane per core, x in percent of the longest."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chords_cli.records.compare import ArmRecord
from chords_cli.records.timeline import Timeline
from chords_cli.ui.format import duration, output_name, plural, small

BAR, GAP, TOP = 18, 12, 8
"""In pixels: the height of a lane's bar, the gap for arrows below it, the space above them all."""

_MOST_TICKS = 6
_NAMES = {"encode": "encoding", "compute": "computing", "wait": "waiting", "decode": "decoding"}


@dataclass(frozen=True, slots=True)
class Bar:
    """What a core did for a while."""

    what: str
    x: float
    width: float
    y: int
    says: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A latent that travels from one lane to the next."""

    x1: float
    y1: int
    x2: float
    y2: int
    says: str


@dataclass(frozen=True, slots=True)
class Dot:
    """An output at the place where it arrived."""

    x: float
    y: int
    chosen: bool
    says: str


@dataclass(frozen=True, slots=True)
class Swimlanes:
    """All lanes of one arm, `height` pixels high."""

    arm: ArmRecord
    says: str
    height: int
    bars: tuple[Bar, ...]
    arrows: tuple[Arrow, ...]
    dots: tuple[Dot, ...]


def swimlanes(arm: ArmRecord, arms: Sequence[ArmRecord]) -> Swimlanes:
    """Draws the lanes of `arm` on the time scale that all `arms` share."""
    timeline, longest = arm.timeline, _longest(arms)
    dots = tuple(_dots(timeline, longest))
    landed = "; ".join(dot.says for dot in dots)
    return Swimlanes(
        arm=arm,
        says=f"Timeline of {arm.name}, {plural(len(timeline.cores), 'core')}: {landed}",
        height=TOP + len(timeline.cores) * (BAR + GAP),
        bars=tuple(_bars(timeline, longest)),
        arrows=tuple(_arrows(timeline, longest)),
        dots=dots,
    )


def scale(arms: Sequence[ArmRecord]) -> list[tuple[float, str]]:
    """Returns the marks of the time axis: their places in percent, and their labels."""
    longest = _longest(arms)
    least = longest / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    count = math.floor(longest / step)
    digits = max(0, -math.floor(math.log10(step)))
    return [(100 * n * step / longest, f"{n * step:.{digits}f} s") for n in range(count + 1)]


def _longest(arms: Sequence[ArmRecord]) -> float:
    return max(arm.timeline.seconds for arm in arms)


def _bars(timeline: Timeline, longest: float) -> Iterator[Bar]:
    for lane, core in enumerate(timeline.cores):
        for span in core.spans:
            spent = span.stop - span.start
            steps = f", step {span.step} to {span.until}" if span.step is not None else ""
            yield Bar(
                span.what,
                _percent(span.start, longest),
                _percent(spent, longest),
                _top(lane),
                f"core {core.core} {_NAMES[span.what]}{steps}: {duration(spent)}",
            )


def _arrows(timeline: Timeline, longest: float) -> Iterator[Arrow]:
    for message in timeline.messages:
        moved = message.correction
        by = "" if moved is None else f" by {small(moved)}"
        yield Arrow(
            _percent(message.sent, longest),
            _top(message.sender) + BAR,
            _percent(message.received, longest),
            _top(message.receiver),
            f"round {message.round + 1}: core {message.receiver} is corrected{by}",
        )


def _dots(timeline: Timeline, longest: float) -> Iterator[Dot]:
    for output in timeline.outputs:
        name = output_name(output.index)
        yield Dot(
            _percent(output.at, longest),
            _top(output.core) + BAR // 2,
            output.chosen,
            f"{name} after {plural(output.round, 'round')}, {duration(output.at)}"
            + ", the result" * output.chosen,
        )


def _top(lane: int) -> int:
    return TOP + lane * (BAR + GAP)


def _percent(seconds: float, longest: float) -> float:
    return round(100 * seconds / longest, 3)
