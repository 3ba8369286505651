"""How much of a prompt each text encoder reads.

Tokenizers cut what is too long, some pipelines say so and some do not, and none says by how much.
So every tokenizer of a pipeline is asked, when it is told where to cut, how long the text is.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diffusers import DiffusionPipeline
from transformers import PreTrainedTokenizerBase

from chords_cli.pipelines.load.spec import TEXT_ENCODER
from chords_cli.pipelines.said import Tell

_TOKENIZER = "tokenizer"
_LONGEST_QUOTE = 60
_NO_LIMIT = 10**6
"""From here on a tokenizer's limit stands for none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a text encoder reads a prompt.

    Attributes:
        encoder: The component.
        what: Which prompt it is.
        wrapped: Whether it is part of a longer text.
        tokens: The text's length.
        limit: What is read of it.
        lost: What is not; None where that is nothing.
    """

    encoder: str
    what: str
    wrapped: bool
    tokens: int
    limit: int
    lost: str | None


Note = Callable[[str, int, int, str | None], None]
"""Takes a text that may be cut, its tokens, the limit, and what lies behind it or None."""


class PromptReader:
    """Tells of every prompt of a call how much of it was cut.

    Args:
        pipe: Its tokenizers are watched from now on, and its `encode_prompt` if it has one.
        tell: Takes the sentences.
    """

    def __init__(self, pipe: DiffusionPipeline, tell: Tell) -> None:
        self._tell, self._call = tell, dict[str, Any]()
        self._readings: list[Reading] = []
        self._sentences: dict[str, None] = {}
        for name, part in pipe.components.items():
            tokenizer = getattr(part, _TOKENIZER, part)  # processors of several kinds hold one
            if isinstance(tokenizer, PreTrainedTokenizerBase):
                encoder = name.replace(_TOKENIZER, TEXT_ENCODER)
                _watch(tokenizer, functools.partial(self._note, encoder))
        self._encode = getattr(pipe, "encode_prompt", None)
        if self._encode is not None:
            pipe.encode_prompt = self

    def begin(self, call: Mapping[str, Any]) -> None:
        """Prepares for a call; if it is the last one again, what was cut then is cut now."""
        if call != self._call:
            self._call, self._sentences = dict(call), {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Encodes prompts as the pipeline does, then tells what was cut."""
        assert self._encode is not None, "only a pipeline with encode_prompt calls it"
        encoded = self._encode(*args, **kwargs)
        self.tell()
        return encoded

    def tell(self) -> None:
        """Tells what was cut of the present call's prompts."""
        for reading in self._readings:
            if reading.lost is not None:
                self._sentences[" ".join(self._words(reading, reading.lost))] = None
        self._readings.clear()
        for sentence in self._sentences:
            self._tell(sentence)

    def _note(self, encoder: str, text: str, tokens: int, limit: int, lost: str | None) -> None:
        what = self._which(text)
        own = self._call.get(what.replace(" ", "_")) or ""
        wrapped = len(_plain(text)) > len(_plain(own))
        self._readings.append(Reading(encoder, what, wrapped, tokens, limit, lost))

    def _words(self, reading: Reading, lost: str) -> Iterator[str]:
        limit, cut = str(reading.limit), reading.tokens - reading.limit
        if reading.limit == self._call.get("max_sequence_length"):
            limit += " (max_sequence_length in the preset's call)"
        template = ", in the model's template," if reading.wrapped else ""
        yield f"the {reading.what}{template} is {reading.tokens} tokens long;"
        yield f"{reading.encoder} reads {limit},"
        yield "so the last one was cut:" if cut == 1 else f"so the last {cut} were cut:"
        yield f'"{_quoted(lost)}"'
        others = (other for other in self._readings if other.encoder != reading.encoder)
        same = (other for other in others if other.what == reading.what)
        if whole := sorted({other.encoder for other in same if other.lost is None}):
            yield f"({' and '.join(whole)} read all of it)"

    def _which(self, text: str) -> str:
        """Names the text; pipelines clean what they encode and put it into templates."""
        prompt, negative = (
            _plain(self._call.get(name) or "") for name in ("prompt", "negative_prompt")
        )
        if prompt in _plain(text) or not (negative and negative in _plain(text)):
            return "prompt"
        return "negative prompt"


class WatchedTokenizer:
    """Mixed in before a tokenizer's class; tells `_note` of every text that it may cut."""

    _note: Note

    def _measure(self, stock: Any, *args: Any, **kwargs: Any) -> None:
        """Notes of all texts of a call how long they are and what of them is cut."""
        asked = inspect.signature(stock).bind(*args, **kwargs).arguments
        limit = asked.get("max_length") or stock.__self__.model_max_length
        if not asked.get("truncation") or limit >= _NO_LIMIT:
            return
        texts, special = asked.get("text"), asked.get("add_special_tokens", True)
        for text in [texts] if isinstance(texts, str) else texts or ():
            tokens = stock(text, add_special_tokens=special, verbose=False).input_ids
            lost = None
            if len(tokens) > limit:
                own = stock(text, add_special_tokens=False, verbose=False).input_ids
                kept = max(0, limit - (len(tokens) - len(own)))
                lost = stock.__self__.decode(own[kept:], skip_special_tokens=True)
            self._note(text, len(tokens), limit, lost)


@functools.cache
def _watched(cls: Any) -> Any:
    """Makes the subclass of a tokenizer's class that is watched."""

    @functools.wraps(cls.__call__)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        stock = cls.__call__.__get__(self)
        self._measure(stock, *args, **kwargs)
        return stock(*args, **kwargs)

    return type(cls.__name__, (WatchedTokenizer, cls), {"__call__": call})


def _watch(tokenizer: Any, note: Note) -> None:
    cls: Any = type(tokenizer)
    if not issubclass(cls, WatchedTokenizer):
        tokenizer.__class__ = _watched(cls)
    tokenizer._note = note


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _quoted(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 3].rstrip()}..."
