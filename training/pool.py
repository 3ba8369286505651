"""Latents to train on, made anew now and then, with new sentences each time they are used."""

import random
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from training.flow import CAPTION_DROPOUT

Item = TypeVar("Item")


class LatentPool(Generic[Item]):
    """Encoded scenes or clips, drawn anew every `era` steps: none is seen often.

    Args:
        sample: draws one item.
        encode: latents of some items, the first dimension theirs.
        describe: says an item in one of many ways.
        size: items in the pool.
        era: steps that a filling lasts.
        seed: of everything that is drawn.
    """

    def __init__(
        self,
        sample: Callable[[random.Random], Item],
        encode: Callable[[list[Item]], Tensor],
        describe: Callable[[Item, random.Random], str],
        *,
        size: int,
        era: int,
        seed: int | str,
    ) -> None:
        self._sample, self._encode, self._describe = sample, encode, describe
        self._size, self._era, self._seed = size, era, seed
        self._filling = -1
        self._items: list[Item] = []
        self._latents = torch.empty(0)

    def batch(self, step: int, count: int, rng: random.Random) -> tuple[Tensor, list[str]]:
        """Latents (count, ...) in fp32, and a sentence for each, now and then an empty one."""
        if step // self._era != self._filling:
            self._fill(step // self._era)
        rows = rng.sample(range(len(self._items)), count)
        captions = [
            "" if rng.random() < CAPTION_DROPOUT else self._describe(self._items[row], rng)
            for row in rows
        ]
        return self._latents[rows].float(), captions

    def _fill(self, filling: int) -> None:
        rng = random.Random(f"{self._seed} era {filling}")
        self._filling, self._items = filling, [self._sample(rng) for _ in range(self._size)]
        parts = [self._items[start : start + 64] for start in range(0, self._size, 64)]
        self._latents = torch.cat([self._encode(part).bfloat16() for part in parts])
