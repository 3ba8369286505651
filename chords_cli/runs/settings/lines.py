"""Prompt files whose lines are JSON objects: each line has a prompt, and options of its own.

What differs between the samples of a run can be said there; what all of them share is an option of
the command.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chords_cli.errors import Spell, UsageError, verbatim
from chords_cli.presets.roles import ROLES, option_of
from chords_cli.runs.settings.options.option import check_value, options_of
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.samples import check_prompt, read_text

ENDING = ".jsonl"

_FILES = tuple(option_of(role) for role in ROLES)
KEYS = ("prompt", "negative_prompt", "seed", "strength", *_FILES)
"""What a line may say."""

_EXAMPLE = 'write an object a line, as in {"prompt": "a red heart", "image": "sketch.png"}'


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a prompt file.

    Attributes:
        place: The file and the number of the line, for messages.
        prompt: What to make.
        seed: Of the first result; None for the run's own.
        options: Further options, by the names of a request.
    """

    place: str
    prompt: str
    seed: int | None
    options: Mapping[str, Any]

    def apply(self, request: Request) -> Request:
        """Returns the request with what the line says."""
        return replace(request, **self.options)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Names the line in errors."""
        try:
            yield
        except UsageError as error:
            raise LineError(self.place, error) from error


class LineError(UsageError):
    """Says what is wrong with a line; writes what it may say as it does: `"strength": 0.7`."""

    def __init__(self, place: str, error: UsageError) -> None:
        super().__init__(f"{verbatim(place)}: {verbatim(error.message)}", verbatim(error.hint))
        self._place, self._error = place, error

    def __reduce__(self) -> tuple[type["LineError"], tuple[str, UsageError]]:  # type: ignore[override]
        return type(self), (self._place, self._error)

    def spelled(self, spell: Spell) -> tuple[str, str]:
        """Returns message and hint, with the options of commands written by `spell`."""

        def write(name: str, value: Any = None) -> str:
            if name not in KEYS:
                return spell(name, value)
            return f'"{name}"' if value is None else f'"{name}": {json.dumps(value, default=str)}'

        message, hint = self._error.spelled(write)
        return f"{self._place}: {message}", hint


def read_lines(file: str | None) -> tuple[Line, ...]:
    """Reads the lines of a prompt file; none of a file of plain text.

    Raises:
        UsageError: The file cannot be read, or a line is wrong; names it.
    """
    if file is None or not file.lower().endswith(ENDING):
        return ()
    lines = tuple(
        _read(f"{file}:{number}", text.strip(), Path(file).parent)
        for number, text in enumerate(read_text(file).split("\n"), 1)
        if text.strip() and not text.lstrip().startswith("#")
    )
    if not lines:
        raise UsageError(f"prompt file {verbatim(file)} holds no prompt", verbatim(_EXAMPLE))
    return lines


def lines_of(request: Request) -> tuple[Line, ...]:
    """Returns the lines of the request's prompt file; none of plain text.

    Raises:
        UsageError: A line is wrong, or the request has an option that every line has for itself, so
            that it would do nothing.
    """
    lines = () if request.prompts else read_lines(request.prompt_file)
    if lines and request.from_metadata is None:  # whose options are those of a picture
        _check_used(lines, request)
    return lines


def _check_used(lines: Sequence[Line], request: Request) -> None:
    for name in KEYS[1:]:
        value = getattr(request, name)
        said = [line.seed is not None if name == "seed" else name in line.options for line in lines]
        if value not in (None, ()) and all(said):
            raise UsageError(
                f"{{{name}:name}} is given, and every line of the prompt file says its own",
                f"leave out {{{name}:name}}",
                {name: None},
            )


def refuse_lines(file: str | None, command: str) -> None:
    """Refuses such a file for a command whose samples have all options in common.

    Raises:
        UsageError: It is one.
    """
    if file is not None and file.lower().endswith(ENDING):
        raise UsageError(
            f"prompt file {verbatim(file)} has options for every line, and {command} gives all "
            "prompts the same",
            "name a file with one prompt a line",
        )


def _read(place: str, text: str, folder: Path) -> Line:
    """Reads one line; files are named from `folder`."""
    try:
        given = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        message = getattr(error, "msg", None) or str(error)
        raise UsageError(f"{verbatim(place)}: not JSON: {verbatim(message)}", _EXAMPLE) from error
    if not isinstance(given, dict) or "prompt" not in given:
        what = "has no prompt" if isinstance(given, dict) else "is no object"
        raise UsageError(f"{verbatim(place)}: the line {what}", _EXAMPLE)
    line = Line(place=place, prompt="", seed=None, options={})
    with line.named():
        values = {name: _check(name, value, folder) for name, value in given.items()}
        check_prompt(values["prompt"], "the prompt")
    prompt, seed = values.pop("prompt"), values.pop("seed", None)
    return replace(line, prompt=prompt, seed=seed, options=values)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes an object of its keys, each of which comes once."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} comes twice")
        found[key] = value
    return found


def _check(name: str, value: Any, folder: Path) -> Any:
    """Checks a key and its value; returns the value as a request has it."""
    options = options_of(Request)
    if name not in KEYS:
        near = difflib.get_close_matches(name, KEYS, n=1, cutoff=0.75)
        known = f"a line may say {', '.join(KEYS)}"
        if name in options and not near:
            raise UsageError(
                f"{name} is the same for all lines of a run",
                f"give {{{name}}} to the command; {known}",
                {name: None},
            )
        raise UsageError(
            f"{verbatim(name)} is not a key of a line",
            f"did you mean {near[0]}?" if near else known,
        )
    if name == "prompt":
        return check_value(name, value, str)
    if name == "image" and isinstance(value, str):
        value = [value]
    if name == "image" and isinstance(value, list):
        value = tuple(_from(folder, one) for one in value)
    elif name in _FILES:
        value = _from(folder, value)
    return check_value(name, value, options[name][0])


def _from(folder: Path, name: Any) -> Any:
    """Names a file from the folder of the prompt file, unless it is named from elsewhere."""
    elsewhere = not isinstance(name, str) or name.startswith("~") or "://" in name
    return name if elsewhere else str(folder / name)
