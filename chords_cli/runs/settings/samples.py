"""Samples: one prompt with one seed is one sample, and each has file names of its own.

Sample n of a prompt uses the run's seed + n, counted from 0, and every prompt begins at the run's
seed again: the same prompt gives the same pictures wherever it stands in a list.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LONGEST_SLUG = 40


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """One picture or video to make; `number` counts from 1 through the whole run."""

    number: int
    prompt: str
    seed: int

    @property
    def stem(self) -> str:
        """The file name without its ending, such as `0001-a-red-circle-s42`."""
        return f"{self.number:04d}-{slug(self.prompt)}-s{self.seed}"

    def name(self, ending: str, index: int | None = None, core: int | None = None) -> str:
        """The name of the result's file, or of another output's that stands beside it."""
        output = "" if index is None else f"-output{index}-core{core}"
        return f"{self.stem}{output}.{ending}"


def planned_samples(prompts: Sequence[str], num: int, seed: int) -> tuple[PlannedSample, ...]:
    """`num` samples of each prompt, prompt after prompt."""
    seeded = ((prompt, seed + n) for prompt in prompts for n in range(num))
    return tuple(PlannedSample(number, *pair) for number, pair in enumerate(seeded, 1))


def slug(prompt: str) -> str:
    """A short name of `prompt` from a-z, 0-9 and dashes, safe as part of any file's name."""
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode().lower()
    return "-".join(_fitting(re.findall(r"[a-z0-9]+", plain))) or "prompt"


def _fitting(words: Sequence[str]) -> Iterator[str]:
    """As many words as fit, and of the first one what fits."""
    left = _LONGEST_SLUG
    for n, word in enumerate(words):
        if n and len(word) > left:
            return
        yield word[:_LONGEST_SLUG]
        left -= len(word) + 1
