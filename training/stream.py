"""What to train on, as latents and tokens on the device; new ones take the place of the oldest.

A part of the stream is drawn from a generator of its own, so it depends on the seed and its number
alone; processes beside the training draw and tokenize the next parts.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from training.ahead import Ahead
from training.flow import CAPTION_DROPOUT
from training.shapes import Layout

PART = 2048
"""Items, scenes or clips, that are drawn at a time."""
PARTS = 64
"""Parts that the stream holds at most."""
SENTENCES = 8
"""Sentences for each item; a use picks one of them."""

Tokens = dict[str, Tensor]
"""Tokens of B sentences by tokenizer, each of shape (B, length)."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Part:
    """`PART` items as numbers, with sentences for them.

    Attributes:
        layout: what to paint.
        tokens: by tokenizer, shape (PART, SENTENCES + 1, length); the last sentence is empty.
    """

    layout: Layout
    tokens: dict[str, np.ndarray]


def draw_part(
    sample: Callable[[random.Random], Item],
    describe: Callable[[Item, random.Random], str],
    layout: Callable[[list[Item]], Layout],
    tokenize: Callable[[list[str]], dict[str, np.ndarray]],
    seed: int | str,
    number: int,
) -> Part:
    """Draw items and sentences for them.

    Args:
        sample: draws one item.
        describe: says an item in one of many ways.
        layout: what to paint for some items.
        tokenize: tokens of some sentences, by tokenizer.
        seed: of everything that is drawn.
        number: of the part.
    """
    rng = random.Random(f"{seed} part {number}")
    items = [sample(rng) for _ in range(PART)]
    sentences = [
        sentence
        for item in items
        for sentence in (*(describe(item, rng) for _ in range(SENTENCES)), "")
    ]
    tokens = tokenize(sentences)
    shape = (PART, SENTENCES + 1, -1)
    return Part(layout(items), {name: of.reshape(shape) for name, of in tokens.items()})


class LatentStream:
    """Latents of items with sentences for them.

    Args:
        part: draws a part, such as a `partial` of `draw_part`.
        encode: latents (PART, ...) of a part's layout, on the device.
        batch: items of a step.
        workers: processes that draw ahead.
        first: parts that are there before the first step.
        uses: how often an item is used before it is replaced, on average.
    """

    def __init__(
        self,
        part: Callable[[int], Part],
        encode: Callable[[Layout], Tensor],
        *,
        batch: int,
        workers: int,
        first: int,
        uses: int,
    ) -> None:
        self._encode, self._batch = encode, batch
        self._first, self._uses = first, uses
        self._ahead = Ahead(part, workers)
        self._next = 0
        self._latents = torch.empty(0)
        self._tokens: Tokens = {}

    def batch(self, step: int, generator: torch.Generator) -> tuple[Tensor, Tokens]:
        """Draw latents (B, ...) in fp32 and a sentence for each, now and then an empty one."""
        newest = self._first + step * self._batch // (PART * self._uses)
        for number in range(max(self._next, newest - PARTS), newest):
            self._add(number)
        held = min(newest, PARTS) * PART
        device = self._latents.device
        rows, sentences = (
            torch.randint(count, (self._batch,), generator=generator, device=device)
            for count in (held, SENTENCES)
        )
        silent = torch.rand(self._batch, generator=generator, device=device) < CAPTION_DROPOUT
        chosen = rows, sentences.where(~silent, SENTENCES)
        tokens = {name: of[chosen].long() for name, of in self._tokens.items()}
        return self._latents[rows].float(), tokens

    def close(self) -> None:
        """End the processes that draw ahead."""
        self._ahead.close()

    def _add(self, number: int) -> None:
        """Put a part in the place of the one that came `PARTS` before it."""
        part = self._ahead(number)
        latents = self._encode(part.layout)
        if not len(self._latents):
            self._allocate(latents, part)
        place = slice(number % PARTS * PART, (number % PARTS + 1) * PART)
        self._latents[place] = latents
        for name, tokens in part.tokens.items():
            self._tokens[name][place] = torch.from_numpy(tokens)
        self._next = number + 1

    def _allocate(self, latents: Tensor, part: Part) -> None:
        held = PART * PARTS
        self._latents = latents.new_empty(held, *latents.shape[1:], dtype=torch.bfloat16)
        self._tokens = {
            name: torch.empty(held, *tokens.shape[1:], dtype=torch.int16, device=latents.device)
            for name, tokens in part.tokens.items()
        }
