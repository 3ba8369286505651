"""Says, when a run is cut off or fails, what is kept of it and how to go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chords_cli.errors import ChordsError, Interrupted, UsageError, refused_by_system, verbatim
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.settings import Settings


@contextmanager
def telling_what_is_kept(
    request: Request, settings: Settings, done: Callable[[], int]
) -> Iterator[None]:
    """Adds to what ends a run inside how many samples are `done`, and what to type for the rest.

    Raises:
        Interrupted: The run was interrupted.
        ChordsError: It failed.
    """
    try:
        yield
    except Interrupted as end:
        if count := done():
            end.message += f": {_kept(count, settings)}"
            end.hint, end.suggests = _way_on(request, settings, count)
        raise
    except (ChordsError, OSError, MemoryError) as error:
        known = error if isinstance(error, ChordsError) else refused_by_system(error)
        count = done() if settings.output.is_dir() else 0
        if isinstance(known, UsageError) or not count:
            raise known from (error.__cause__ if known is error else error)
        hint, suggests = _way_on(request, settings, count)
        words = f"{{hint}}; {verbatim(_kept(count, settings))}"
        raise known.reworded(
            "{message}", f"{words}: {hint}" if hint else words, suggests
        ) from error


def _kept(count: int, settings: Settings) -> str:
    total, kind = len(settings.samples), settings.preset.kind
    return f"{count} of {total} {kind}s {'is' if count == 1 else 'are'} kept in {settings.output}"


def _way_on(request: Request, settings: Settings, count: int) -> tuple[str, dict[str, Any]]:
    """Returns what to type to make the rest, and the options in it."""
    if count == len(settings.samples):
        return "", {}
    if request.resume:
        return "type the same again to go on", {}
    if request.output:
        return "add {resume} to go on", {"resume": True}
    return "add {resume} {output} to go on", {"resume": True, "output": settings.output}
