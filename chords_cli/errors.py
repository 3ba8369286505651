"""The errors that users see.

Every message is one line that says what is wrong with the actual values; every hint is one line
that says what to type. The command line prints both and chooses the exit code by the class.
"""

import signal


class ChordsError(Exception):
    """Something that a user can understand and mend.

    Args:
        message: What is wrong, with the actual values, in one line.
        hint: What to do about it, in one line; empty when there is nothing to add.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["ChordsError"], tuple[str, str]]:
        return type(self), (self.message, self.hint)


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
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        by_user = number == signal.SIGINT
        self.message = "interrupted" if by_user else f"ended by {signal.Signals(number).name}"
        self.hint = ""
