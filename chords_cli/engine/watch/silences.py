"""How long every process of a pool has been silent, as the pool hears them."""

from collections.abc import Mapping, Sequence

from chords_cli.engine.messages import Alive


class Silences:
    """How long each process of a pool has given no sign of life, as the pool hears them.

    Args:
        ranks: Of the processes.
    """

    def __init__(self, ranks: Sequence[int]) -> None:
        self._idle, self._mute = dict.fromkeys(ranks, 0.0), dict.fromkeys(ranks, 0.0)

    def pass_by(self, seconds: float) -> None:
        """Counts seconds in which nothing was heard, as far as `end` does not take them back."""
        for rank in self._idle:
            self._idle[rank] += seconds
            self._mute[rank] += seconds

    def end(self, rank: int, message: object) -> None:
        """Notes that a process has sent a message."""
        self._mute[rank] = 0.0
        if not isinstance(message, Alive) or message.works:
            self._idle[rank] = 0.0

    def culprit(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process hangs, if one was silent for longer than its limit.

        Those that wait for it inside the model are as idle, but not as mute if it was stopped.
        """
        late = [rank for rank, seconds in self._idle.items() if seconds > limits[rank]]
        mute = self.mute(limits)
        return mute if late and mute is not None else next(iter(late), None)

    def mute(self, limits: Mapping[int, float]) -> int | None:
        """Returns which process does not even say that it is there, if one does not."""
        rank = max(self._mute, key=self._mute.__getitem__, default=None)
        return rank if rank is not None and self._mute[rank] > limits[rank] / 2 else None
