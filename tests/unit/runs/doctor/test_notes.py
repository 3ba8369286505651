"""Whatever is broken becomes a line."""

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import ChordsError
from chords_cli.runs.doctor.checks import MACHINE, amount, span
from chords_cli.runs.doctor.notes import Notes


def raised(error: Exception):
    def fails() -> None:
        raise error

    return fails


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (ChordsError("no", "use {cores}", {"cores": 2}), "no", "use --cores 2"),
        (
            OSError(28, "No space left on device", "/tmp/a"),
            "/tmp/a: No space left on device",
            "see what is said of disks and limits (ulimit -a)",
        ),
        (
            KeyError("a\nb"),
            "KeyError: 'a\\nb'",
            "this is a bug of chords doctor; please report it",
        ),
    ],
)
def test_an_error_becomes_a_line_and_the_next_check_is_made(error, found, remedy):
    heard = []
    notes = Notes(heard.append, as_option)
    notes.check(MACHINE, "disk", raised(error))
    notes.check(MACHINE, "next", lambda: [MACHINE.ok("next", "well"), MACHINE.ok("more", "well")])
    assert heard == notes.checks
    first, *others = notes.checks
    assert (first.topic, first.name, first.state) == ("machine", "disk", "fail")
    assert (first.found, first.remedy) == (found, remedy)
    assert [check.name for check in others] == ["next", "more"]


def test_numbers_are_short():
    assert [amount(n) for n in (8192, 16_200_000, 23_800_000_000)] == ["8 kB", "16.2 MB", "23.8 GB"]
    assert [span(n) for n in (0.00042, 0.035, 2.13)] == ["0.42 ms", "35 ms", "2.1 s"]
