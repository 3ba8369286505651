"""What the loop is conditioned on is computed once, by core 0, and reaches every other core once.

It is what a pipeline asks of its parts before its loop: `encode_prompt`, and where it starts from
a picture, `vae.encode` and image encoders. All of these calls are replaced on the objects
themselves: core 0's runs the real one and shares what it returned, the others' receive it. Within a
sample, and in later samples of the same call, the returns are replayed from memory in the order of
the calls, so decoding needs no encoder either.

A VAE returns a distribution. Every core draws from it with a generator of its own, so that the
noise which is drawn next is the same everywhere; what is shared does not depend on the seed.

The few pipelines that encode their prompt inside their `__call__` do so on every core, with text
encoders of its own.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

from diffusers import DiffusionPipeline
from torch import Tensor

from chords_cli.errors import ChordsError
from chords_cli.pipelines.conditions.parcel import pack, unpack
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.spec import SEEING

Share = Callable[[Any], Any]
"""Takes core 0's value (None elsewhere) and returns it on every core."""

Answer = tuple[str, Any]
"""Which part was asked, and what it returned."""


class SharedEncoding:
    """A pipeline's encoders, each call of which is answered once for all cores."""

    def __init__(
        self, pipe: DiffusionPipeline, rank: int, share: Share, encoders: Encoders
    ) -> None:
        self._rank, self._share = rank, share
        self._encoders = encoders
        self._device = pipe._execution_device
        self._key: object = None
        self._tape: list[Answer] = []
        self._position = 0
        self._answering = False
        self.seconds = 0.0
        if encodes_apart(type(pipe)):
            pipe.encode_prompt = self._shared("encode_prompt", pipe.encode_prompt)
        for name, method in SEEING.items():
            part = getattr(pipe, name, None)
            if hasattr(part, method):
                real = getattr(part, method)
                fed = self._fed(real) if method == "forward" else real
                setattr(part, method, self._shared(f"{name}.{method}", fed))

    def begin(self, key: object) -> None:
        """Prepares for a pipeline call; the same `key` means the same prompts and pictures."""
        if key != self._key:
            self._key, self._tape = key, []
        self._position, self.seconds = 0, 0.0

    def forget(self) -> None:
        """Has the next call encode, whatever its key."""
        self._key, self._tape = None, []

    def _shared(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Returns what stands in for an encoder."""

        @functools.wraps(real)
        def answer(*args: Any, **kwargs: Any) -> Any:
            if self._answering:  # one encoder asks another: only the outer answer is shared
                return real(*args, **kwargs)
            if self._position == len(self._tape):
                began = time.monotonic()
                self._tape.append(self._obtain(name, lambda: real(*args, **kwargs)))
                self.seconds += time.monotonic() - began
            asked, value = self._tape[self._position]
            if asked != name:
                raise ChordsError(
                    f"this core asks for {name} where core 0 asked for {asked}",
                    "use {algo}, and report the pipeline",
                    {"algo": "sequential"},
                )
            self._position += 1
            return value

        return answer

    def _fed(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Returns an encoder that takes tensors of the host, too.

        Some pipelines put them where it was before it was asked, and that may be away.
        """

        def here(given: Any) -> Any:
            return given.to(self._device) if isinstance(given, Tensor) else given

        @functools.wraps(forward)
        def fed(*args: Any, **kwargs: Any) -> Any:
            return forward(*map(here, args), **{name: here(kwargs[name]) for name in kwargs})

        return fed

    def _obtain(self, name: str, real: Callable[[], Any]) -> Answer:
        """Computes an answer on core 0, and receives it on the others."""
        if self._rank > 0:
            asked, received = self._share(None)
            return asked, unpack(received, self._device)
        self._answering = True
        try:
            with self._encoders.in_use(name.partition(".")[0]):
                own = real()
        finally:
            self._answering = False
        self._share((name, pack(own, self._device)))
        return name, own


def encodes_apart(cls: type[DiffusionPipeline]) -> bool:
    """Tells whether a pipeline encodes in a method of its own, which one core can answer."""
    return hasattr(cls, "encode_prompt")
