"""The prompt is encoded once, by core 0, and reaches every other core once.

`encode_prompt` is replaced on the pipeline object: core 0's runs the real one and shares what it
returned, the others' receive it. Within a sample, and in later samples of the same call, the
returns are replayed from memory in the order of the calls, so decoding needs no encoder either.
The few pipelines that encode inside their `__call__` do so on every core, with encoders of its own.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline

from chords_cli.pipelines.load.offload import Encoders

Share = Callable[[Any], Any]
"""Takes core 0's value (None elsewhere) and returns it on every core, on the host."""


class SharedEncoding:
    """A pipeline's `encode_prompt`, answered once per prompt for all cores."""

    def __init__(
        self, pipe: DiffusionPipeline, rank: int, share: Share, encoders: Encoders
    ) -> None:
        self._rank, self._share = rank, share
        self._encoders = encoders
        self._device = pipe._execution_device
        self._key: object = None
        self._tape: list[Any] = []
        self._position = 0
        self.seconds = 0.0
        if encodes_apart(type(pipe)):
            self._encode, pipe.encode_prompt = pipe.encode_prompt, self

    def begin(self, key: object) -> None:
        """Prepares for a pipeline call; the same `key` means the same prompts and options."""
        if key != self._key:
            self._key, self._tape = key, []
        self._position, self.seconds = 0, 0.0

    def forget(self) -> None:
        """Has the next call encode, whatever its key."""
        self._key, self._tape = None, []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._position == len(self._tape):
            began = time.monotonic()
            self._tape.append(self._obtain(*args, **kwargs))
            self.seconds += time.monotonic() - began
        self._position += 1
        return self._tape[self._position - 1]

    def _obtain(self, *args: Any, **kwargs: Any) -> Any:
        if self._rank > 0:
            return moved(self._share(None), self._device)
        with self._encoders.in_use():
            own = self._encode(*args, **kwargs)
        self._share(moved(own, torch.device("cpu")))
        return own


def encodes_apart(cls: type[DiffusionPipeline]) -> bool:
    """Tells whether a pipeline encodes in a method of its own, which one core can answer."""
    return hasattr(cls, "encode_prompt")


def moved(value: Any, device: torch.device) -> Any:
    """Returns the same nested tuples, lists and dicts, with their tensors on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: moved(item, device) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(moved(item, device) for item in value)
    return value
