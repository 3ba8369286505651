"""Scenes to train on, as latents and tokens on the device; new ones take the place of the oldest.

A part of the stream is drawn from a generator of its own, so it depends on the seed and its number
alone; processes beside the training draw and tokenize the next parts.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from training.ahead import Ahead
from training.flow import CAPTION_DROPOUT
from training.scenes import Scene, describe, sample_scene, vocabulary
from training.tokenizers import T5_LENGTH, clip_tokenizer, t5_tokenizer

PART = 2048
"""Scenes that are drawn at a time."""
PARTS = 64
"""Parts that the stream holds at most."""
FIRST_PARTS = 8
"""Parts that are there before the first step."""
USES = 8
"""How often a scene is used before it is replaced, on average."""
SENTENCES = 8
"""Sentences for each scene; a use picks one of them."""
CLIP_TOKENS = 48
"""CLIP tokens of a sentence in training: no sentence is longer, and CLIP sees no padding."""
_ENCODED = 256
"""Scenes that are painted and encoded at a time."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Sentences for both text encoders.

    Attributes:
        words: T5's token of each word, shape (..., T5_LENGTH).
        spelled: CLIP's tokens, shape (..., CLIP_TOKENS).
    """

    words: Tensor
    spelled: Tensor

    def __getitem__(self, rows: Tensor | tuple[Tensor, ...]) -> "Tokens":
        return Tokens(self.words[rows], self.spelled[rows])

    def long(self) -> "Tokens":
        return Tokens(self.words.long(), self.spelled.long())


class SceneStream:
    """Latents of scenes with sentences for them.

    Args:
        encode: latents (B, ...) of some scenes, on the device.
        batch: scenes of a step.
        seed: of everything that is drawn.
        workers: processes that draw ahead.
    """

    def __init__(
        self, encode: Callable[[list[Scene]], Tensor], *, batch: int, seed: int, workers: int
    ) -> None:
        self._encode, self._batch = encode, batch
        self._ahead = Ahead(partial(_drawn, seed), workers)
        self._next = 0
        self._latents = torch.empty(0)
        self._tokens = Tokens(torch.empty(0), torch.empty(0))

    def batch(self, step: int, generator: torch.Generator) -> tuple[Tensor, Tokens]:
        """Draw latents (B, ...) in fp32 and a sentence for each, now and then an empty one."""
        newest = FIRST_PARTS + step * self._batch // (PART * USES)
        for part in range(max(self._next, newest - PARTS), newest):
            self._add(part)
        held = min(newest, PARTS) * PART
        device = self._latents.device
        rows, sentences = (
            torch.randint(count, (self._batch,), generator=generator, device=device)
            for count in (held, SENTENCES)
        )
        silent = torch.rand(self._batch, generator=generator, device=device) < CAPTION_DROPOUT
        tokens = self._tokens[rows, sentences.where(~silent, SENTENCES)]
        return self._latents[rows].float(), tokens.long()

    def close(self) -> None:
        """End the processes that draw ahead."""
        self._ahead.close()

    def _add(self, part: int) -> None:
        """Put a part in the place of the one that came `PARTS` before it."""
        scenes, words, spelled = self._ahead(part)
        latents = torch.cat(
            [self._encode(scenes[first : first + _ENCODED]) for first in range(0, PART, _ENCODED)]
        )
        if not len(self._latents):
            self._allocate(latents)
        place = slice(part % PARTS * PART, (part % PARTS + 1) * PART)
        self._latents[place] = latents
        self._tokens.words[place] = torch.from_numpy(words)
        self._tokens.spelled[place] = torch.from_numpy(spelled)
        self._next = part + 1

    def _allocate(self, latents: Tensor) -> None:
        device, sentences = latents.device, (PART * PARTS, SENTENCES + 1)
        self._latents = latents.new_empty(PART * PARTS, *latents.shape[1:], dtype=torch.bfloat16)
        self._tokens = Tokens(
            torch.empty(*sentences, T5_LENGTH, dtype=torch.int16, device=device),
            torch.empty(*sentences, CLIP_TOKENS, dtype=torch.int16, device=device),
        )


def tokenize(captions: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return T5's tokens of some sentences (B, T5_LENGTH) and CLIP's (B, CLIP_TOKENS)."""
    t5, clip = _tokenizers()
    options = {"padding": "max_length", "truncation": True, "return_tensors": "np"}
    words = t5(captions, max_length=T5_LENGTH, **options).input_ids
    spelled = clip(captions, max_length=CLIP_TOKENS, **options).input_ids
    return words.astype(np.int16), spelled.astype(np.int16)


def _drawn(seed: int, part: int) -> tuple[list[Scene], np.ndarray, np.ndarray]:
    """Draw scenes and their tokens (PART, SENTENCES + 1, ...); the last sentence is empty."""
    rng = random.Random(f"{seed} part {part}")
    scenes = [sample_scene(rng) for _ in range(PART)]
    captions = [
        sentence
        for scene in scenes
        for sentence in (*(describe(scene, rng) for _ in range(SENTENCES)), "")
    ]
    words, spelled = tokenize(captions)
    shape = (PART, SENTENCES + 1, -1)
    return scenes, words.reshape(shape), spelled.reshape(shape)


@cache
def _tokenizers() -> tuple[object, object]:
    return t5_tokenizer(vocabulary(), T5_LENGTH), clip_tokenizer()
