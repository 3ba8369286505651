"""What a core's libraries and pipeline say of a job, each sentence once."""

from collections.abc import Callable, Mapping
from typing import Any

Tell = Callable[[str], None]
"""Takes one sentence for the user."""

_SIZES = ("num_frames", "height", "width")


class Said:
    """Hands sentences on, each once a job."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def begin(self) -> None:
        """Begins a job, of which everything may be said again."""
        self._told.clear()

    def __call__(self, sentence: str) -> None:
        """Tells `sentence`, unless it was told of this job."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._tell(sentence)


def other_size(call: Mapping[str, Any], shape: tuple[int, ...]) -> str | None:
    """Says that a pipeline made another size than its call asks for; None where it did not.

    Args:
        call: The arguments of the pipeline's call.
        shape: Frames, height and width of what it made.
    """
    made = dict(zip(_SIZES, shape, strict=True))
    asked = made | {name: call[name] for name in _SIZES if call.get(name) is not None}
    differ = {name for name in _SIZES if asked[name] != made[name]}
    areas, counts = (
        [pattern.format(**size) for size in (made, asked)]
        for pattern in ("{width}x{height}", "{num_frames}")
    )
    rounded = "the pipeline rounded the size: it made"
    if not differ:
        return None
    if differ == {"num_frames"}:
        return f"{rounded} {counts[0]} frames, not {counts[1]}"
    if "num_frames" not in differ:
        return f"{rounded} {areas[0]}, not {areas[1]}"
    return f"{rounded} {areas[0]} with {counts[0]} frames, not {areas[1]} with {counts[1]}"
