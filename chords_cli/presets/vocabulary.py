"""The words that a model knows, for models that know so few that a preset can list them.

Plain words, no tokenizer: they are compared before anything is imported that could load a model.
"""

import string
from collections.abc import Iterator

from pydantic import Field

from chords_cli.presets.call import Part
from chords_cli.presets.parts import Text

_AROUND = string.punctuation + "\u2018\u2019\u201c\u201d\u00ab\u00bb\u2013\u2014\u2026\u00bf\u00a1"
"""Punctuation that may stand before or after a word and is no part of it."""


class Vocabulary(Part):
    """The words of a model that knows few.

    Attributes:
        draws: What it draws, in words that go on after "it draws".
        words: All of them, with spaces between them. They are one text because YAML reads `on`,
            alone in a list, as true.
    """

    draws: Text = Field(examples=["a circle or a square in red or blue"])
    words: Text = Field(examples=["a and blue circle on or red square"])

    @property
    def known(self) -> frozenset[str]:
        """The words, for `unknown_in`."""
        return frozenset(self.words.casefold().split())


def unknown_in(text: str, known: frozenset[str]) -> Iterator[str]:
    """Yields the words of `text` that are not known, in order and without punctuation around them.

    What stands between spaces is one word; capitals do not matter.
    """
    for written in text.split():
        word = written.strip(_AROUND)
        if word and word.casefold() not in known:
            yield word
