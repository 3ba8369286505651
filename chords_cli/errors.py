"""The errors that users see.

Every message is one line that says what is wrong with the actual values; every hint is one line
that says what to type. The command line prints both and chooses the exit code by the class.
"""


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
