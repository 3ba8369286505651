"""Which prompts a run has: those on the command line, those of a file, or the preset's own."""

import sys
from collections.abc import Sequence
from pathlib import Path

from chords_cli.errors import UsageError

_CHECK = "check the path of {prompt_file}"


def resolve_prompts(given: Sequence[str], file: str | None, demo: Sequence[str]) -> tuple[str, ...]:
    """The prompts of a run, in order.

    Args:
        given: Those that are given one by one.
        file: A file with one prompt a line, `-` for standard input; None when not given.
        demo: The preset's own, for when nothing is given.

    Raises:
        UsageError: A prompt is empty or not text, the file cannot be used, or nothing is left.
    """
    if given and file is not None:
        raise UsageError(
            f"prompts are given both as arguments ({len(given)}) and by {{prompt_file}}",
            "give one of them",
            {"prompt_file": file},
        )
    if file is not None:
        return read_prompts(file)
    if not given and not demo:
        raise UsageError(
            "there is no prompt, and the preset has none of its own",
            'give one in quotes, as in "a red circle"',
        )
    return tuple(_checked(prompt, n) for n, prompt in enumerate(given, 1)) or tuple(demo)


def read_prompts(file: str) -> tuple[str, ...]:
    """The prompts of a file, one a line; blank lines and those that begin with # are skipped.

    Raises:
        UsageError: The file is missing, unreadable, not UTF-8 text, or holds no prompt.
    """
    name = "standard input" if file == "-" else f"prompt file {file}"
    lines = (line.strip() for line in _decode(_read(file, name), name).split("\n"))
    prompts = tuple(line for line in lines if line and not line.startswith("#"))
    if not prompts:
        raise UsageError(
            f"{name} holds no prompt",
            "write one prompt a line; blank lines and lines that begin with # are skipped",
        )
    return prompts


def _read(file: str, name: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read() if sys.stdin else b""
    try:
        return Path(file).read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{name} does not exist", _CHECK, {"prompt_file": None}) from error
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {error.strerror}", _CHECK, {"prompt_file": None}
        ) from error


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8 text: byte 0x{data[error.start]:02x} at {error.start}",
            "save it as UTF-8",
        ) from error


def _checked(prompt: str, number: int) -> str:
    if not prompt.strip():
        raise UsageError(f"prompt {number} is empty", 'say what to show, as in "a red circle"')
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"prompt {number} is not UTF-8 text", "use a terminal with a UTF-8 locale"
        ) from error
    return prompt
