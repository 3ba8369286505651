"""What a pipeline's loop begins with, and how it begins with a finished latent instead.

A finished latent cannot in general be handed to a pipeline as its `latents`: some scale what they
are given, some pack it, some take none. But almost all begin their loop with what their
`prepare_latents` returned, and whether this one does is seen when it samples.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor


class StartLatent:
    """A pipeline's `prepare_latents`, whose noise can be replaced by a finished latent.

    Attributes:
        replaceable: Whether the loop begins with what was prepared, as far as it was seen.
    """

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self._prepare = getattr(pipe, "prepare_latents", None)
        self._prepared: Tensor | None = None
        self._instead: Tensor | None = None
        self.replaceable = False
        if self._prepare is not None:
            pipe.prepare_latents = self

    def note(self, began: Tensor | None) -> None:
        """Notes whether the loop began with what was prepared; if so, it can be replaced."""
        prepared, self._prepared = self._prepared, None
        if began is not None:
            # pipelines may cast what they have prepared, so the narrower type is compared
            self.replaceable = (
                prepared is not None
                and prepared.shape == began.shape
                and torch.equal(prepared.to(began), began)
            )

    @contextmanager
    def replaced(self, latent: Tensor | None) -> Iterator[None]:
        """Has the pipeline prepare `latent` inside the block; what it always does for None."""
        self._instead = latent
        try:
            yield
        finally:
            self._instead = self._prepared = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self._prepare is not None, "only a pipeline with prepare_latents calls it"
        prepared = self._prepare(*args, **kwargs)
        several = isinstance(prepared, tuple | list)
        self._prepared = prepared[0] if several else prepared
        if self._instead is None:
            return prepared
        return (self._instead, *prepared[1:]) if several else self._instead
