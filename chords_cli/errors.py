"""The errors that users see.

Every message is one line that says what is wrong and names the actual values; every hint is one
line that says what to write instead. Both name an option such as `cores` as `{cores}`, and whoever
shows them chooses the spelling: Python writes `cores=4`, the command line `--cores 4`.
"""

import errno
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

Spell = Callable[[str, Any], str]
"""Writes an option and its value; if the value is None, the option's name alone."""

_OPTION = r"\{[a-z_]+(?::name)?\}"
_NAMED_OPTION = r"\{(?P<name>[a-z_]+)(?P<name_only>:name)?\}"
_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


def as_keyword(name: str, value: Any = None) -> str:
    """Writes an option as Python does: `cores=4`, or `cores` without a value."""
    if value is None:
        return name
    return f"{name}={str(value)!r}" if isinstance(value, PurePath) else f"{name}={value!r}"


def spell_options(text: str, suggests: Mapping[str, Any], spell: Spell) -> str:
    """Returns `text` with its options written by `spell`.

    Args:
        text: Names an option as `{cores}`, with its value, or as `{cores:name}`, without it.
        suggests: Maps an option's name to the value to write, to a list of values to choose from,
            or to None. Any other braces in `text` are left as they are, except that `{{cores}}`
            is the word `{cores}` (see `verbatim`).
        spell: How to write an option.
    """

    def write(option: re.Match[str]) -> str:
        name = option["name"]
        if option["word"]:
            return option["word"]
        if name not in suggests:
            return option[0]
        value = None if option["name_only"] else suggests[name]
        choices = value if type(value) is list else [value]
        return " or ".join(spell(name, choice) for choice in choices)

    return re.sub(rf"\{{(?P<word>{_OPTION})\}}|{_NAMED_OPTION}", write, text)


def verbatim(value: object) -> str:
    """Writes a value for a message such that no option is read in it, if its name has braces."""
    return re.sub(_OPTION, r"{\g<0>}", str(value))


def either(names: Sequence[str]) -> str:
    """Joins names to choose from: `a, b or c`."""
    return _joined(names, " or ")


def all_of(names: Sequence[str]) -> str:
    """Joins names: `a, b and c`."""
    return _joined(names, " and ")


def _joined(names: Sequence[str], last: str) -> str:
    return last.join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _fill(text: str, name: str, value: str) -> str:
    """Puts a value in the place of `{name}`, but not where that is a word of the user's."""
    return re.sub(rf"(?<!\{{)\{{{name}\}}(?!\}})", lambda _: value, text)


class ChordsError(Exception):
    """Something that a user can understand and fix.

    Args:
        message: What is wrong, with the actual values, in one line.
        hint: What to do about it, in one line; empty when there is nothing to add.
        suggests: The options that message and hint name (see `spell_options`).
    """

    exit_code = 1

    def __init__(
        self, message: str, hint: str = "", suggests: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self._message, self._hint, self._suggests = message, hint, dict(suggests or _NO_OPTIONS)

    def __reduce__(self) -> tuple[type["ChordsError"], tuple[str, str, dict[str, Any]]]:
        return type(self), (self._message, self._hint, self._suggests)

    def __str__(self) -> str:
        return self.message

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # it is only read
        """What Python writes below the message in a traceback."""
        return [f"hint: {self.hint}"] if self.hint else []

    @property
    def message(self) -> str:
        """What is wrong, in Python's words."""
        return self.spelled(as_keyword)[0]

    @property
    def hint(self) -> str:
        """What to do about it, in Python's words."""
        return self.spelled(as_keyword)[1]

    def spelled(self, spell: Spell) -> tuple[str, str]:
        """Returns message and hint, with options written by `spell`."""
        return (
            spell_options(self._message, self._suggests, spell),
            spell_options(self._hint, self._suggests, spell),
        )

    def reworded(
        self, message: str, hint: str | None = None, suggests: Mapping[str, Any] | None = None
    ) -> "ChordsError":
        """Returns an error of the same class with another message.

        Args:
            message: The new message; `{message}` in it stands for this error's own.
            hint: The new hint, in which `{hint}` stands for this error's own; None keeps that.
            suggests: Further options that the new message and hint name.
        """
        return type(self)(
            _fill(message, "message", self._message),
            self._hint if hint is None else _fill(hint, "hint", self._hint),
            self._suggests | dict(suggests or _NO_OPTIONS),
        )


def check_all(*checks: Callable[[], object]) -> None:
    """Runs all checks; raises one error that says what all of them found.

    Raises:
        ChordsError: A check has raised one; class and hint are those of the first.
    """
    found = list[ChordsError]()
    for check in checks:
        try:
            check()
        except ChordsError as error:
            found.append(error)
    if found:
        _, *others = dict.fromkeys(error.message for error in found)
        raise found[0].reworded("; ".join(["{message}", *map(verbatim, others)]))


def refused_by_system(error: OSError | MemoryError) -> ChordsError:
    """Returns what a user is told where the system refuses this process something."""
    if isinstance(error, MemoryError):
        return ChordsError("out of memory in the command itself", "free some memory first")
    reason, place = error.strerror or str(error), error.filename
    message = f"{verbatim(place)}: {reason}" if place else f"the system refuses: {reason}"
    if error.errno == errno.ENAMETOOLONG:
        return UsageError("a file's name is too long", "choose a shorter one")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ChordsError(message, "close files, or raise the limit (ulimit -n shows it)")
    return ChordsError(message, *where_to_write(error))


def where_to_write(error: OSError) -> tuple[str, dict[str, Any]]:
    """Returns the hint for a file that cannot be written, with the option that it suggests."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room there", {}
    return "choose another {output:name}", {"output": None}


class UsageError(ChordsError):
    """Wrong usage, a wrong preset or wrong settings, found before anything slow starts."""

    exit_code = 2


class PlanError(UsageError):
    """Numbers from which no plan can be made."""


class StdoutError(ChordsError):
    """Standard output cannot be written; this error goes to stderr in every mode."""


class Interrupted(BaseException):
    """The user or the system wants the program to end; no handler of errors catches this.

    Args:
        number: The signal that asked for it.

    Attributes:
        exit_code: The one that shells use: 128 plus the signal's number.
        message: What has ended, and which results are kept.
        hint: How to continue; empty when there is nothing to continue.
        suggests: The options that the hint names (see `spell_options`).
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        by_user = number == signal.SIGINT
        self.message = "interrupted" if by_user else f"ended by {signal.Signals(number).name}"
        self.hint = ""
        self.suggests: Mapping[str, Any] = _NO_OPTIONS

    def spelled(self, spell: Spell) -> tuple[str, str]:
        """Returns message and hint, with options written by `spell`."""
        return self.message, spell_options(self.hint, self.suggests, spell)
