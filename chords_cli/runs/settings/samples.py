"""What a run makes: its prompts, and one sample for each prompt and each seed.

Sample n of a prompt uses the run's seed + n, counted from 0, and every prompt begins at the run's
seed again: the same prompt gives the same pictures wherever it is in a list.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chords_cli.errors import UsageError, verbatim
from chords_cli.presets.paths import TooLargeError, read_at_most, take_at_most

MOST_SAMPLES = 100_000
"""How many samples one run may have; their names are made before it starts."""

_LONGEST_SLUG = 40

_LARGEST = 100_000_000
"""Bytes of a prompt file that is read."""

_CHECK = "check the path of {prompt_file}"


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """One picture or video to make; `number` counts from 1 through the whole run.

    `line` is the number of its line, from 0, if lines have options of their own.
    """

    number: int
    prompt: str
    seed: int
    line: int | None = None

    @property
    def stem(self) -> str:
        """The file name without its ending, such as `0001-a-red-circle-s42`."""
        return f"{self.number:04d}-{slug(self.prompt)}-s{self.seed}"

    def name(self, ending: str, index: int | None = None, core: int | None = None) -> str:
        """Returns the name of the result's file, or of the file of output `index` beside it."""
        output = "" if index is None else f"-output{index}-core{core}"
        return f"{self.stem}{output}.{ending}"


def check_samples(prompts: int, num: int, seed: int) -> None:
    """Refuses more samples than a run makes, `num` for each prompt, and seeds out of range.

    Raises:
        UsageError: There are too many, or a seed is too large or negative.
    """
    _check_num(num, prompts)
    _check_seed(seed, num)


def planned_samples(
    prompts: Sequence[str], num: int, seed: int, own_seeds: Sequence[int | None] = ()
) -> tuple[PlannedSample, ...]:
    """Returns `num` samples for each prompt, prompt after prompt.

    Args:
        prompts: What to make.
        num: How many of each.
        seed: Of the first sample of a prompt.
        own_seeds: The seed of every line, None for the run's; empty if lines are only prompts.
    """
    seeds = [seed if own is None else own for own in own_seeds] or [seed] * len(prompts)
    seeded = (
        (prompt, first + n, line if own_seeds else None)
        for line, (prompt, first) in enumerate(zip(prompts, seeds, strict=True))
        for n in range(num)
    )
    return tuple(PlannedSample(number, *one) for number, one in enumerate(seeded, 1))


def slug(prompt: str) -> str:
    """Makes a short name from `prompt`, of a-z, 0-9 and dashes, safe as part of a file's name."""
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode().lower()
    return "-".join(_shorten(re.findall(r"[a-z0-9]+", plain))) or "prompt"


def _shorten(words: Sequence[str]) -> Iterator[str]:
    """Yields as many words as fit; cuts the first one if it is too long."""
    left = _LONGEST_SLUG
    for n, word in enumerate(words):
        if n and len(word) > left:
            return
        yield word[:_LONGEST_SLUG]
        left -= len(word) + 1


def resolve_prompts(given: Sequence[str], file: str | None, demo: Sequence[str]) -> tuple[str, ...]:
    """Returns the prompts of a run, in order.

    Args:
        given: The prompts that are given as arguments.
        file: A file with one prompt per line, `-` for standard input; None if not given.
        demo: The preset's own prompts, which are used if no others are given.

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
    for number, prompt in enumerate(given, 1):
        check_prompt(prompt, f"prompt {number}")
    return tuple(given) or tuple(demo)


def read_prompts(file: str) -> tuple[str, ...]:
    """Reads prompts, one per line; skips blank lines and lines that begin with #.

    Raises:
        UsageError: The file is missing, unreadable, not UTF-8 text, or holds no prompt.
    """
    lines = (line.strip() for line in read_text(file).split("\n"))
    prompts = tuple(line for line in lines if line and not line.startswith("#"))
    if not prompts:
        raise UsageError(
            f"{_name(file)} holds no prompt",
            "write one prompt a line; blank lines and lines that begin with # are skipped",
        )
    return prompts


def read_text(file: str) -> str:
    """Returns the text of a prompt file, `-` for standard input.

    Raises:
        UsageError: The file is missing, unreadable, or not UTF-8 text.
    """
    name = _name(file)
    try:
        if file == "-":
            data = take_at_most(sys.stdin.buffer, _LARGEST) if sys.stdin else b""
        else:
            data = read_at_most(Path(file), _LARGEST, streams=True)
    except TooLargeError as error:
        raise UsageError(
            f"{name} has more than {_LARGEST // 10**6} MB", "split it", {"prompt_file": None}
        ) from error
    except FileNotFoundError as error:
        raise UsageError(f"{name} does not exist", _CHECK, {"prompt_file": None}) from error
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {error.strerror}", _CHECK, {"prompt_file": None}
        ) from error
    return _decode(data, name)


def _name(file: str) -> str:
    return "standard input" if file == "-" else f"prompt file {verbatim(file)}"


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8 text: byte 0x{data[error.start]:02x} at {error.start}",
            "save it as UTF-8",
        ) from error


def check_prompt(prompt: str, name: str) -> None:
    """Refuses a prompt that is empty or no text; `name` is what to call it.

    Raises:
        UsageError: It is.
    """
    if not prompt.strip():
        raise UsageError(f"{name} is empty", 'say what to show, as in "a red circle"')
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{name} is not UTF-8 text", "use a terminal with a UTF-8 locale"
        ) from error


def _check_num(num: int, prompts: int) -> None:
    """Refuses more samples than a run may have; there are `num` for each prompt."""
    if prompts > MOST_SAMPLES:
        raise UsageError(
            f"there are {prompts} prompts, but a run makes at most {MOST_SAMPLES}",
            "split them into several runs",
        )
    if num * prompts > MOST_SAMPLES:
        each = f" for each of {prompts} prompts" if prompts > 1 else ""
        raise UsageError(
            f"num is {num}{each}, but a run makes at most {MOST_SAMPLES}",
            "use {num} or less",
            {"num": max(1, MOST_SAMPLES // prompts)},
        )


def _check_seed(seed: int, num: int) -> None:
    message = ""
    if not 0 <= seed < 2**64:
        message = f"seed is {seed}, but must be from 0 to 2^64 - 1"
    elif seed + num > 2**64:
        message = (
            f"seed is {seed} and num is {num}, but the last seed would be {seed + num - 1}, "
            "above 2^64 - 1"
        )
    if message:
        raise UsageError(message, "try {seed}", {"seed": 42})
