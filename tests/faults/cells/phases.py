"""Where a run can be hit, and the ways to hit it there."""

import time
from collections.abc import Sequence

from tests.faults.driver import Act, Run

PLACES = {
    "starting": "starting:{}:{}:0.1",
    "loading": "loading:{}:{}:0.1",
    "meeting": "meeting:{}:{}:0.1",
    "encoding": "encoding:{}:{}:1.1",
    "first step": "step:{}:{}:1.1",
    "between rounds": "step:{}:{}:2.3",
    "sending": "sending:{}:{}:2.2",
    "receiving": "receiving:{}:{}:2.2",
    "telling the helpers": "telling:{}:{}:2.2",
    "following the lead": "following:{}:{}:2.2",
    "sending half of guidance": "answering:{}:{}:2.2",
    "receiving half of guidance": "asking:{}:{}:2.2",
    "end of the line": "closing:{}:{}:2.1",
    "decoding": "in-decoder:{}:{}:2.1",
    "between samples": "between:{}:{}:0.1",
}
"""Where a process is in each phase, with room for who and what (`hooks/fault.py`)."""

DOING = {
    "starting": "starting",
    "loading": "loading",
    "meeting": "meeting the other cores",
    "encoding": "encoding the prompt",
    "end of the line": "handing on its last latents",
    "decoding": "decoding",
    "between samples": "waiting for work",
}
"""What a message calls a phase; `taking a step` for those between."""

SOON = ("--timeout", "4")
"""Has a silent process found sooner than after ten minutes."""


def at(phase: str, kind: str, who: object) -> str:
    """Returns the fault of a kind in a phase, when that process is in it."""
    return PLACES[phase].format(who, kind)


def doing(phase: str) -> str:
    """Returns what a message calls a phase."""
    return DOING.get(phase, "taking a step")


def send(name: str, numbers: int | Sequence[int], phrase: str = "", delay: float = 0.0) -> Act:
    """Sends signals from outside, that many seconds after a phrase was said and between them."""
    left = [numbers] if isinstance(numbers, int) else [*numbers]
    since = list[float]()

    def act(run: Run) -> bool:
        if phrase and phrase not in run.said:
            return False
        since[:] = since or [time.time() if phrase else run.began]
        if time.time() - since[-1] >= delay and run.send(name, left[0]):
            since.append(time.time())
            del left[0]
        return not left

    return act


def do(phrase: str, what: Act) -> Act:
    """Does something as soon as a phrase was said; again while it says that it cannot yet."""

    def act(run: Run) -> bool:
        if phrase not in run.said:
            return False
        run.note()
        return what(run) is not False

    return act
