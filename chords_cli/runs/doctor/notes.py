"""Collects checks: whatever is broken becomes a line."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from chords_cli.errors import ChordsError, Spell
from chords_cli.records.doctor import Check
from chords_cli.runs.doctor.checks import Topic

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which a process that gives no answer is given up."""


class Notes:
    """The checks so far.

    Args:
        listener: Told each of them at once.
        spell: How hints write options.
    """

    def __init__(self, listener: Callable[[Check], None], spell: Spell) -> None:
        self._listener, self.spell = listener, spell
        self.checks: list[Check] = []

    def add(self, *checks: Check) -> None:
        """Notes checks that were made."""
        for check in checks:
            self.checks.append(check)
            self._listener(check)

    def check(self, topic: Topic, name: str, make: Callable[[], Check | Iterable[Check]]) -> None:
        """Makes a check, or several; notes why it cannot be made."""
        made = self.value(topic, name, make)
        if made is not None:
            self.add(*([made] if isinstance(made, Check) else made))

    def value(self, topic: Topic, name: str, find: Callable[[], T]) -> T | None:
        """Returns what is found; None where that fails, which is noted."""
        try:
            return find()
        except ChordsError as error:
            self.add(topic.refused(name, error, self.spell))
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            found = f"{place}{error.strerror or error}"
            self.add(topic.fail(name, found, "see what is said of disks and limits (ulimit -a)"))
        except Exception as error:  # noqa: BLE001 - an examination goes on
            found = f"{type(error).__name__}: {error}"
            self.add(topic.fail(name, found, "this is a bug of chords doctor; please report it"))
        return None
