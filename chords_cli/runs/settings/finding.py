"""Finds the files that a picture was made from (`--from-metadata`, `--resume`).

Records name files without folders and know them by their hashes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from chords_cli.errors import UsageError, verbatim
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.paths import from_user
from chords_cli.presets.roles import ROLES, option_of
from chords_cli.records.recipe import InputRecord
from chords_cli.runs.settings.options.request import Request


def with_inputs(request: Request, recorded: Sequence[InputRecord], made: Path) -> Request:
    """Returns the request with the recorded files of those roles for which it names none.

    Args:
        request: What the user asks for.
        recorded: The files of an earlier run.
        made: A file that was made from them. They are looked for beside it and in the current
            folder.

    Raises:
        UsageError: One is not there, or is another file now.
    """
    named: Arguments = {}
    for role, records in groupby(recorded, key=lambda one: one.role):
        name = option_of(role)
        if role in ROLES and not getattr(request, name):
            found = tuple(str(_find(one, made)) for one in records)
            named[name] = found if name == "image" else found[0]
    return replace(request, **named)


def check_same(request: Request, recorded: Sequence[InputRecord], made: Path) -> None:
    """Refuses files that are not those from which a latent was made.

    Raises:
        UsageError: One is another, or there are more.
    """
    known = {(one.role, one.sha256) for one in recorded}
    for role, file in request.files:
        if isinstance(file, str) and (role, _hash(Path(file))) not in known:
            raise UsageError(
                f"{verbatim(made)} was not made from {verbatim(file)}, and decoding it needs the "
                "files that it was made from",
                f"leave out {{{option_of(role)}}}",
                {option_of(role): file},
            )


def _find(wanted: InputRecord, made: Path) -> Path:
    """Finds a file by its name, or else by its hash among those with the same ending."""
    name = Path(wanted.name).name  # whoever made the record may have written any path
    places = (made.parent / name, Path(name))
    same = (path for path in _candidates(places) if _hash(path) == wanted.sha256)
    if found := next(same, None):
        return found
    there = any(path.is_file() for path in places)
    raise UsageError(
        f"{verbatim(made)} was made from {verbatim(wanted.name)}, which is "
        + ("another file now" if there else "not here"),
        f"name it: {{{option_of(wanted.role)}}}",
        {option_of(wanted.role): "FILE"},
    )


def _candidates(places: Sequence[Path]) -> Iterator[Path]:
    yield from places
    for place in places:
        with suppress(OSError):  # a folder that may not be read
            yield from sorted(place.parent.glob(f"*{place.suffix}"))


def _hash(path: Path) -> str | None:
    """Returns the hash of a file's bytes; None if it cannot be read."""
    try:
        path = from_user(path)
        if not path.is_file():  # a pipe may have no end
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
