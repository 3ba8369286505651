"""How long tests wait: for the event itself; no limit in seconds decides whether one passes.

`HANG` only ends what would else go on for ever. A machine may be twenty times slower than the one
that a test was written on, because others are at work on it, and nobody notices.
"""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

HANG = 600.0
"""Seconds after which whatever is waited for is taken to hang."""

Found = TypeVar("Found")


def until(condition: Callable[[], Found], event: str) -> Found:
    """Waits until `condition` gives something true, and returns it."""
    deadline = time.monotonic() + HANG
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{event}: not after {HANG:.0f} seconds"
        time.sleep(0.02)
    return found


class Process(Protocol):
    """What is started, as `subprocess.Popen` has it."""

    def communicate(self, *, timeout: float) -> tuple[str, str]: ...


def ended(process: Process) -> tuple[str, str]:
    """Waits for the end of a process; returns what it wrote on standard output and error."""
    return process.communicate(timeout=HANG)
