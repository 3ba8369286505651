"""The timeline of a sample as shapes: one lane per core, x in percent of the longest sample."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chords_cli.records.compare import ArmRecord, Timeline
from chords_cli.ui.format import duration, output_name, small

BAR, GAP, TOP = 18, 12, 8
"""Pixels: a lane's bar, the space to the next one for the arrows, and above the first."""

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
    """A latent on its way from one lane to the next."""

    x1: float
    y1: int
    x2: float
    y2: int
    says: str


@dataclass(frozen=True, slots=True)
class Dot:
    """An output where it landed."""

    x: float
    y: int
    chosen: bool
    says: str


@dataclass(frozen=True, slots=True)
class Swimlanes:
    """All lanes of one arm, `height` pixels high."""

    arm: ArmRecord
    height: int
    bars: tuple[Bar, ...]
    arrows: tuple[Arrow, ...]
    dots: tuple[Dot, ...]


def swimlanes(arm: ArmRecord, arms: Sequence[ArmRecord]) -> Swimlanes:
    """Draws the lanes of `arm` on the time scale that all `arms` share."""
    told, longest = arm.timeline, _longest(arms)
    return Swimlanes(
        arm=arm,
        height=TOP + len(told.cores) * (BAR + GAP),
        bars=tuple(_bars(told, longest)),
        arrows=tuple(_arrows(told, longest)),
        dots=tuple(_dots(told, longest)),
    )


def scale(arms: Sequence[ArmRecord]) -> list[tuple[float, str]]:
    """Returns where the time axis has its marks, in percent, and what they say."""
    longest = _longest(arms)
    least = longest / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    count = math.floor(longest / step)
    digits = max(0, -math.floor(math.log10(step)))
    return [(100 * n * step / longest, f"{n * step:.{digits}f} s") for n in range(count + 1)]


def _longest(arms: Sequence[ArmRecord]) -> float:
    return max(arm.timeline.seconds for arm in arms)


def _bars(told: Timeline, longest: float) -> Iterator[Bar]:
    for lane, core in enumerate(told.cores):
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


def _arrows(told: Timeline, longest: float) -> Iterator[Arrow]:
    for message in told.messages:
        moved = message.correction
        by = "" if moved is None else f" by {small(moved)}"
        yield Arrow(
            _percent(message.sent, longest),
            _top(message.sender) + BAR,
            _percent(message.received, longest),
            _top(message.receiver),
            f"round {message.round + 1}: core {message.receiver} is corrected{by}",
        )


def _dots(told: Timeline, longest: float) -> Iterator[Dot]:
    for output in told.outputs:
        name = output_name(output.index)
        yield Dot(
            _percent(output.at, longest),
            _top(output.core) + BAR // 2,
            output.chosen,
            f"{name} after {output.round} rounds, {duration(output.at)}",
        )


def _top(lane: int) -> int:
    return TOP + lane * (BAR + GAP)


def _percent(seconds: float, longest: float) -> float:
    return round(100 * seconds / longest, 3)
