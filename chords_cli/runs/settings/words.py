"""Says which words of the prompts a model does not know, where its preset lists those it knows."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from chords_cli.errors import all_of
from chords_cli.presets.vocabulary import unknown_in
from chords_cli.runs.settings.settings import Settings

_MOST_WORDS = 8
"""Words that are listed; of more, the first ones are, and the others are counted."""

_LONGEST = 40
"""Characters of a word that are shown."""


def with_words(settings: Settings) -> Settings:
    """Returns the settings with a note on words that the model does not know."""
    notes = filter(None, (words_note(settings), settings.note))
    return replace(settings, note="\n".join(notes) or None)


def words_note(settings: Settings) -> str | None:
    """Says in a line which words the model does not know, and what it draws; None if it knows all.

    The line is about all prompts, with their negative ones; it says how many have such words if
    others do not.
    """
    preset = settings.preset
    if preset.vocabulary is None:
        return None
    known = preset.vocabulary.known
    calls = [line.call for line in settings.lines] or [settings.call] * len(settings.prompts)
    negative = (call.get("negative_prompt") or "" for call in calls)
    texts = (f"{prompt} {other}" for prompt, other in zip(settings.prompts, negative, strict=True))
    unknown = [tuple(unknown_in(text, known)) for text in texts]
    words: dict[str, str] = {}
    for word in chain.from_iterable(unknown):
        words.setdefault(word.casefold(), word)
    if not words:
        return None
    count, total = sum(map(bool, unknown)), len(unknown)
    where = f" (in {count} of {total} prompts)" if count < total else ""
    listed = all_of([*_listed([*words.values()])])
    return f"{preset.name} does not know {listed}{where}; it draws {preset.vocabulary.draws}"


def _listed(words: list[str]) -> Iterator[str]:
    """Yields words in quotes, such that they can be shown safely and are not too many."""
    shown = words if len(words) <= _MOST_WORDS else words[: _MOST_WORDS - 1]
    for word in shown:
        short = word if len(word) <= _LONGEST else f"{word[: _LONGEST - 3]}..."
        yield f'"{repr(short)[1:-1]}"'
    if more := len(words) - len(shown):
        yield f"{more} more words"
