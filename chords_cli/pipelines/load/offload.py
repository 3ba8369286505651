"""Encoders of text and of pictures leave the device after encoding where its memory is short.

They work once per prompt and are as large as half a transformer, so core 0 may keep them on the
host. A component's `offload` is `never`, `always` or `auto`, the default: when less memory is free
after encoding than they take.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers import DiffusionPipeline
from torch import nn

from chords_cli.pipelines.load.accelerator import HOST, free_memory
from chords_cli.pipelines.load.spec import OFFLOADED, ModelSpec


class Encoders:
    """The encoders of a pipeline, which are on the device while they are used."""

    def __init__(self, pipe: DiffusionPipeline, spec: ModelSpec, device: torch.device) -> None:
        self._device = device
        self._parts: dict[str, tuple[nn.Module, str]] = {
            name: (part, spec.components.get(name, {}).get("offload") or "auto")
            for name, part in pipe.components.items()
            if name.startswith(OFFLOADED) and isinstance(part, nn.Module) and not is_hollow(part)
        }
        for part, policy in self._parts.values():
            part.to(HOST if policy == "always" else device)

    @contextmanager
    def in_use(self, asked: str) -> Iterator[None]:
        """Holds encoders on the device inside the block; after it, those that may stay.

        Args:
            asked: The encoder that is asked; `encode_prompt` for all of them.
        """
        names = self._parts if asked == "encode_prompt" else self._parts.keys() & {asked}
        parts = [self._parts[name] for name in names]
        for part, _ in parts:
            part.to(self._device)
        yield
        free = free_memory(self._device)
        for part, policy in parts:
            if leaves(policy, size=weight_bytes(part), free=free):
                part.to(HOST)


def is_hollow(part: nn.Module) -> bool:
    """Tells whether a component has its configuration, but no weights."""
    return any(weight.is_meta for weight in part.parameters())


def leaves(policy: str, *, size: int, free: int | None) -> bool:
    """Tells whether an encoder of `size` bytes leaves a device; `free` is None on the host."""
    if free is None or policy == "never":
        return False
    return policy == "always" or free < size


def weight_bytes(part: nn.Module) -> int:
    """Returns the bytes of a module's parameters."""
    return sum(parameter.nbytes for parameter in part.parameters())
