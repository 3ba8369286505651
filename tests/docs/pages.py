"""What pages tell a reader to type: README.md and docs/*.md, read as text.

The convention that readers see, too:

- A block marked `sh` holds commands, one a line; a backslash goes on in the next line.
- A block marked `console` holds commands after `$`, and below each what it answers. A line of three
  dots stands for any number of lines, three dots within a line for any text.
- A block of any language whose first line is `# name.suffix` is a file of that name.
- `chords ...` within a sentence is a command, too, unless it only names one (`chords image`).
- `# by hand: why` after a command: no test runs it.
- A block marked `python` is a script.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

PROGRAMS = ("chords", "make", "hf", "pip", "python", "python3", "source", "export")
"""What a command begins with."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_BY_HAND = re.compile(r"\s+# by hand: (.+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block and the line of its first line."""

    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name of the file that it shows, if it shows one."""
        named = re.match(r"# ([\w-]+\.\w+)\n", self.text)
        return named[1] if named else None


@dataclass(frozen=True)
class Command:
    """What a reader types, and what the page says comes out.

    Attributes:
        by_hand: Why no test runs it; None for all others.
        answer: The lines below it; None if the page shows none.
        python: Whether it is a script instead of a command line.
    """

    line: int
    text: str
    by_hand: str | None = None
    answer: str | None = None
    python: bool = False


def blocks(text: str) -> list[Block]:
    """All fenced blocks."""
    return [
        Block(text[: found.start(2)].count("\n") + 1, found[1], found[2])
        for found in _FENCE.finditer(text)
    ]


def prose(text: str) -> str:
    """The page without its blocks, line by line as before."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def commands(text: str) -> list[Command]:
    """All commands in the order of the page."""
    found = [*_within(prose(text))]
    for block in blocks(text):
        if block.language == "sh":
            found += _one_a_line(block)
        if block.language == "console":
            found += _after_prompts(block)
        if block.language == "python":
            found.append(Command(block.line, block.text, python=True))
    return sorted(found, key=lambda command: command.line)


def names_command(text: str) -> bool:
    """Whether it only names a program or a command of it."""
    return re.fullmatch(r"(chords( [a-z]+)?|make|hf|pip|python3?)", text) is not None


def _within(text: str) -> Iterator[Command]:
    for found in _INLINE.finditer(text):
        if found[1].split()[0] in PROGRAMS and not names_command(found[1]):
            yield _command(text[: found.start()].count("\n") + 1, found[1])


def _one_a_line(block: Block) -> Iterator[Command]:
    line, begun = block.line, ""
    for number, text in enumerate(block.text.splitlines()):
        line = line if begun else block.line + number
        begun += text.removesuffix("\\")
        if text.endswith("\\"):
            continue
        if begun.strip() and not begun.startswith("#"):
            yield _command(line, begun.strip())
        begun = ""


def _after_prompts(block: Block) -> Iterator[Command]:
    for found in re.finditer(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
        line = block.line + block.text[: found.start()].count("\n")
        yield _command(line, found[1], found[2].strip("\n"))


def _command(line: int, text: str, answer: str | None = None) -> Command:
    by_hand = _BY_HAND.search(text)
    if by_hand:
        return Command(line, text[: by_hand.start()], by_hand[1])
    return Command(line, text, answer=answer or None)
