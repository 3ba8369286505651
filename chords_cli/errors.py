"""The errors that users see.

Every message is one line that says what is wrong with the actual values; every hint is one line
that says what to write. Both name options by what they are, `{cores}` for the option `cores`, and
who shows them chooses the spelling: Python writes `cores=4`, the command line `--cores 4`.
"""

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

Spell = Callable[[str, Any], str]
"""Writes an option and its value; with the value None the option's name alone."""

_NONE: Mapping[str, Any] = MappingProxyType({})


def keyword(name: str, value: Any = None) -> str:
    """An option in Python's words: `cores=4`, or `cores` without a value."""
    if value is None:
        return name
    return f"{name}={str(value)!r}" if isinstance(value, PurePath) else f"{name}={value!r}"


def spelled(text: str, suggests: Mapping[str, Any], spell: Spell) -> str:
    """`text` with its options written by `spell`.

    Args:
        text: Names an option as `{cores}`, with its value, or as `{cores:name}`, without it.
        suggests: The options by name, each with the value to write, a list of values to choose
            from, or None. Other braces are text.
        spell: How to write an option.
    """

    def write(option: re.Match[str]) -> str:
        name, bare = option["name"], option["bare"]
        if name not in suggests:
            return option[0]
        value = None if bare else suggests[name]
        return " or ".join(spell(name, one) for one in (value if type(value) is list else [value]))

    return re.sub(r"\{(?P<name>[a-z_]+)(?P<bare>:name)?\}", write, text)


def either(names: Sequence[str]) -> str:
    """Writes names to choose from: `a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


class ChordsError(Exception):
    """Something that a user can understand and fix.

    Args:
        message: What is wrong, with the actual values, in one line.
        hint: What to do about it, in one line; empty when there is nothing to add.
        suggests: The options that message and hint name (see `spelled`).
    """

    exit_code = 1

    def __init__(
        self, message: str, hint: str = "", suggests: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self._message, self._hint, self._suggests = message, hint, dict(suggests or _NONE)

    def __reduce__(self) -> tuple[type["ChordsError"], tuple[str, str, dict[str, Any]]]:
        return type(self), (self._message, self._hint, self._suggests)

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        """What is wrong, in Python's words."""
        return self.spelled(keyword)[0]

    @property
    def hint(self) -> str:
        """What to do about it, in Python's words."""
        return self.spelled(keyword)[1]

    def spelled(self, spell: Spell) -> tuple[str, str]:
        """Message and hint, with options written by `spell`."""
        return (
            spelled(self._message, self._suggests, spell),
            spelled(self._hint, self._suggests, spell),
        )

    def reworded(
        self, message: str, hint: str | None = None, suggests: Mapping[str, Any] | None = None
    ) -> "ChordsError":
        """An error of the same class that says more.

        Args:
            message: In which `{message}` stands for this error's own.
            hint: In place of this error's own, unless None.
            suggests: Further options that they name.
        """
        return type(self)(
            message.replace("{message}", self._message),
            self._hint if hint is None else hint,
            self._suggests | dict(suggests or _NONE),
        )


class UsageError(ChordsError):
    """Wrong usage, preset or settings: found before anything slow starts."""

    exit_code = 2


class PlanError(UsageError):
    """Integers that do not make a plan."""


class StdoutError(ChordsError):
    """Standard output takes no more; what is said of it goes to stderr, whatever the mode."""


class Interrupted(BaseException):
    """The user, or the system, wants the program to end; no handler of errors catches it.

    Args:
        number: The signal that said so.

    Attributes:
        exit_code: As shells give it: 128 and the signal's number.
        message: What has ended, and what of it is kept.
        hint: How to go on with it; empty when there is nothing to go on with.
        suggests: The options that the hint names (see `spelled`).
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        by_user = number == signal.SIGINT
        self.message = "interrupted" if by_user else f"ended by {signal.Signals(number).name}"
        self.hint = ""
        self.suggests: Mapping[str, Any] = _NONE

    def spelled(self, spell: Spell) -> tuple[str, str]:
        """Message and hint, with options written by `spell`."""
        return self.message, spelled(self.hint, self.suggests, spell)
