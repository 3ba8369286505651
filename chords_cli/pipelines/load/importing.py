"""How processes that compute import torch, diffusers and transformers: some 4000 modules."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Imports without garbage collection, which would go through all modules again and again.

    They stay, so no later collection goes through them either: it would also give every forked
    process a copy of what it shares with others.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
