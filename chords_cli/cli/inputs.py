"""`--image FILE [STRENGTH]`: an option with a second value that may be left out.

No parser of options knows such a thing. A command line is rewritten before it is parsed: file and
number become one value, `FILE=STRENGTH`, which may also be typed so.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from os.path import exists, isfile
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError, verbatim

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_NEARLY = re.compile(r"[-+]?[\d.,]*\d[.,]?%?")
"""How people write numbers, `0,7` and `70%` too."""

_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".mp4"}
"""Of pictures and videos, which no prompt ends with."""


def join_numbers(words: Sequence[str], flags: Collection[str]) -> list[str]:
    """Returns the words of a command line in which a number after a file is part of its value.

    Args:
        words: As they are typed; what follows `--` is left alone.
        flags: The options whose value a number may follow.
    """
    left, joined = list(words), list[str]()
    while left and left[0] != "--":
        word = left.pop(0)
        flag, equals, _ = word.partition("=")
        if flag in flags and (equals or left):
            value = word if equals else left.pop(0)
            value += f"={left.pop(0)}" if left and _NUMBER.fullmatch(left[0]) else ""
            joined += [value] if equals else [flag, value]
        else:
            joined.append(word)
    return joined + left


def parse_inputs(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the files to start from and the strength, by the names of a request.

    Raises:
        UsageError: There are several strengths, or a prompt that is meant as one.
    """
    images, video = options.get("image") or (), options.get("video")
    parts = [_split(value) for value in (*images, *([video] if video else ()))]
    files = [file for file, _ in parts]
    said = {strength for _, strength in parts if strength is not None}
    said |= {options["strength"]} - {None}
    if len(said) > 1:
        values = " and ".join(f"{value:g}" for value in sorted(said))
        raise UsageError(f"strength is {values}, but a run has one", "give one of them")
    _check_prompts(options["prompts"] or (), files)
    return {
        "image": tuple(files[: len(images)]),
        "video": files[-1] if video else None,
        "strength": next(iter(said), None),
    }


def _check_prompts(prompts: Sequence[str], files: Sequence[str]) -> None:
    """Refuses a prompt that is meant as a file, or as the strength of one."""
    for prompt in prompts:
        if files and _NEARLY.fullmatch(prompt):
            raise UsageError(
                f"prompt {prompt!r} is a number, and the run starts from {verbatim(files[0])}",
                "write a strength after its file, as in {image} 0.7",
                {"image": files[0]},
            )
        if Path(prompt).suffix.lower() in _ENDINGS and isfile(prompt):  # noqa: PTH113 - see below
            raise UsageError(
                f"prompt {verbatim(repr(prompt))} is a file",
                "start from it with {image}, and say in a prompt what to show",
                {"image": prompt},
            )


def _split(value: str) -> tuple[str, float | None]:
    """Splits `FILE=STRENGTH`; an equals sign may also be part of a file's name."""
    # Path's own raise where a name is too long for a file
    file, _, number = value.rpartition("=")
    if not file or not _NUMBER.fullmatch(number) or exists(value):  # noqa: PTH110
        return value, None
    return file, float(number)
