"""Many samples by the groups of a pool: a group begins one while it ends the one before.

What a group does of two samples at a time follows from who is free (`engine.samples.groups`).
Outputs are handed on in a thread, so that files are written while cores go on.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial

from chords_cli.engine.samples.groups import Group, Wanted
from chords_cli.engine.samples.job import Sampled, SampledOutput, Session
from chords_cli.engine.samples.output_thread import OutputThread

_AT_ONCE = 2
"""Samples of a group that are under way: what waits for its file is held in memory."""


@dataclass(slots=True)
class _UnderWay:
    """A sample that has begun and whose result has not been asked for."""

    number: int
    wanted: Wanted
    session: Session
    handed: deque[Future[None]] = field(default_factory=deque)


class Many:
    """The samples that are under way.

    Args:
        groups: Which make them.
        wanted: All samples, in the order in which they begin.
        begin: Hands a sample to the group of that number.
        thread: Does what is to be done with outputs.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        wanted: Iterator[Wanted],
        begin: Callable[[Wanted, int], Session],
        thread: OutputThread,
    ) -> None:
        self._groups, self._left = groups, enumerate(wanted)
        self._begin, self._thread = begin, thread
        self._lines = [deque[_UnderWay]() for _ in groups]

    @property
    def busy(self) -> bool:
        """Whether any sample is under way."""
        return any(self._lines)

    def fill(self) -> None:
        """Begins samples as far as groups can take them, idle groups first."""
        for group in sorted(range(len(self._lines)), key=lambda group: len(self._lines[group])):
            if len(self._lines[group]) < _AT_ONCE and self._groups[group].can_begin:
                for number, wanted in itertools.islice(self._left, 1):
                    self._start(number, wanted, group)

    def done(self) -> Iterator[tuple[int, Sampled]]:
        """Yields the samples that are over and handed on, those of a group in order.

        Raises:
            Exception: What handing on an output has raised.
        """
        for line in self._lines:
            for one in line:
                while one.handed and one.handed[0].done():
                    self._thread.check()
                    one.handed.popleft()
                    if one.wanted.on_handed:
                        one.wanted.on_handed()
            while line and line[0].session.over and not line[0].handed:
                one = line.popleft()
                yield one.number, one.session.result()

    def arrived(self, number: int) -> SampledOutput | None:
        """Returns the result of a sample that is under way, if its latent is here."""
        under_way = itertools.chain(*self._lines)
        return next((one.session.arrived for one in under_way if one.number == number), None)

    def _start(self, number: int, wanted: Wanted, group: int) -> None:
        handed = deque[Future[None]]()

        def hand_on(output: SampledOutput) -> None:
            if wanted.on_output:
                handed.append(self._thread.submit(partial(wanted.on_output, output)))

        session = self._begin(replace(wanted, on_output=hand_on), group)
        self._lines[group].append(_UnderWay(number, wanted, session, handed))
