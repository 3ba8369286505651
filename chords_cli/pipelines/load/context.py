"""Context parallel: every member of a core computes its part of the tokens.

It is diffusers' own, after Ulysses: a model's layers see a part of the tokens, and in attention the
members exchange tokens for heads, of which each then has some. All members call the model at the
same time. Its answer arrives complete, and with equal bits, on all of them, so that a pipeline and
what else hooks into its models see no difference.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import ContextParallelConfig, DiffusionPipeline

from chords_cli.pipelines.load.spec import DENOISERS


def share_context(pipe: DiffusionPipeline, mesh: Any, contexts: int) -> None:
    """Makes the pipeline's denoisers compute one of `contexts` parts of the tokens each.

    Args:
        pipe: The pipeline, loaded.
        mesh: Of the members that have the other parts: torch's `DeviceMesh`, with the dimensions
            that diffusers wants, `ring` and `ulysses`.
        contexts: How many parts there are.
    """
    models = (getattr(pipe, name, None) for name in DENOISERS)
    for model in filter(None, models):
        # `anything`: the lengths of prompts differ, and so may numbers of tokens and heads
        config = ContextParallelConfig(mesh=mesh, ulysses_degree=contexts, ulysses_anything=True)
        with _an_accelerator():
            model.enable_parallelism(config=config)


@contextmanager
def _an_accelerator() -> Iterator[None]:
    """Counts one accelerator inside the block where there is none.

    Diffusers divides by that number to name a device, which it then does not use.
    """
    count = torch.accelerator.device_count
    if not count():
        torch.accelerator.device_count = lambda: 1  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.accelerator.device_count = count  # type: ignore[assignment]
