"""How long every process of a pool has been silent, and got nowhere, as the pool hears them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chords_cli.engine.messages import Alive

_SEVERAL = 10.0
"""How many times longer than the slowest piece of the same work so far a piece may take."""

_LEAST = 30.0
"""Seconds that any piece of work may take, unless the timeout is shorter."""

COMPILING = "compiling"
"""What a process is doing while torch compiles for it."""

_LONG = {COMPILING: 3600.0}
"""Seconds that a piece of work may take at least, where it takes minutes and nobody knows how many,
and where other processes work for it."""


@dataclass(slots=True)
class Silence:
    """Of one process, in seconds.

    Attributes:
        idle: Since it last worked or waited for another one.
        mute: Since it last said anything.
        still: Since its work last got on, or it last waited for another one.
        turns: How often its work has got on.
        doing: What it is doing.
    """

    idle: float = 0.0
    mute: float = 0.0
    still: float = 0.0
    turns: int = -1
    doing: str = "starting"


class Silences:
    """How long each process of a pool has given no sign of life, or of getting on.

    Args:
        ranks: Of the processes.
    """

    def __init__(self, ranks: Sequence[int]) -> None:
        self._all = {rank: Silence() for rank in ranks}
        self._slowest = dict[str, float]()  # piece of each kind of work

    def forget(self) -> None:
        """Begins to count again, for nobody has listened meanwhile; remembers what is slow."""
        self._all = {rank: Silence(doing=one.doing) for rank, one in self._all.items()}

    @property
    def ranks(self) -> list[int]:
        """Of the processes."""
        return [*self._all]

    def __getitem__(self, rank: int) -> Silence:
        return self._all.setdefault(rank, Silence())

    def pass_by(self, seconds: float) -> None:
        """Counts seconds in which nothing was heard, as far as `end` does not take them back."""
        for silence in self._all.values():
            silence.idle += seconds
            silence.mute += seconds
            silence.still += seconds

    def end(self, rank: int, message: object) -> None:
        """Notes that a process has sent a message."""
        silence = self[rank]
        silence.mute = 0.0
        if not isinstance(message, Alive):
            silence.idle = 0.0
            self._move(silence)
            return
        if message.works:
            silence.idle = 0.0
        if silence.turns < 0:  # how long it took is known from the next one on
            silence.still = 0.0
        elif message.turns != silence.turns:
            self._move(silence)
        if message.waits:
            silence.still = 0.0
        silence.turns, silence.doing = message.turns, message.doing or silence.doing

    def culprit(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process hangs, if one was silent for longer than its limit.

        Those that wait for it inside the model are as idle, but not as mute if it was stopped.
        """
        late = [
            rank
            for rank, silence in self._all.items()
            if silence.idle > max(limits[rank], _LONG.get(silence.doing, 0.0))
        ]
        mute = self.mute(limits)
        return mute if late and mute is not None else next(iter(late), None)

    def mute(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process does not even say that it is there, if one does not."""
        rank = max(self._all, key=lambda rank: self._all[rank].mute, default=None)
        return rank if rank is not None and self._all[rank].mute > limits[rank] / 2 else None

    def stuck(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process works and gets nowhere, for much longer than its work took before.

        Where it does work of this kind for the first time, its limit counts, or ten times the
        slowest piece of any kind if that is longer.
        """
        late = (k for k, one in self._all.items() if one.still > self._patience(one, limits[k]))
        return max(late, key=lambda rank: self._all[rank].still, default=None)

    def stillest(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process keeps the others waiting, if one gets nowhere and waits itself."""
        rank = max(self._all, key=lambda rank: self._all[rank].still, default=None)
        return rank if rank is not None and self._all[rank].still > limits[rank] / 2 else None

    def _move(self, silence: Silence) -> None:
        """Notes that a process has got on, and how long that took."""
        if silence.doing not in _LONG:  # which tells nothing of other work
            before = self._slowest.get(silence.doing, 0.0)
            self._slowest[silence.doing] = max(before, silence.still)
        silence.still = 0.0

    def _patience(self, silence: Silence, limit: float) -> float:
        """Returns how long a process may get nowhere."""
        if silence.doing in _LONG:
            return max(limit, _LONG[silence.doing])
        slowest = self._slowest.get(silence.doing)
        if slowest is None:
            return max(limit, _LEAST, _SEVERAL * max(self._slowest.values(), default=0.0))
        return max(limit / _SEVERAL, min(limit, _LEAST), _SEVERAL * slowest)
