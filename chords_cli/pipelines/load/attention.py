"""The way in which diffusers computes attention: set, tried on the device, and blamed.

Whether it is known and its package is installed, is checked before (`models.denoisers.attention`).
"""

import traceback
from pathlib import PurePath

import torch
from diffusers import DiffusionPipeline
from diffusers.models import attention_dispatch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.load.spec import DENOISERS, ModelSpec

_HINT = "name another attention in the preset, or none"

_TRIED = (1, 128, 2, 64)
"""The shape of what is tried: one of a batch, tokens, heads, and how large each is."""


def try_attention(spec: ModelSpec, device: torch.device) -> None:
    """Computes a little attention, so that no weights are read for a device that cannot do it.

    Raises:
        UsageError: Diffusers refuses it.
    """
    backend, dtype = spec.attention, spec.dtype
    if backend is None:
        return
    for part in DENOISERS:
        dtype = spec.components.get(part, {}).get("dtype") or dtype
    try:
        name = AttentionBackendName(backend)
        attention_dispatch._check_attention_backend_requirements(name)
        tokens = torch.zeros(_TRIED, device=device, dtype=getattr(torch, dtype))
        dispatch_attention_fn(tokens, tokens, tokens, backend=name)
    except (RuntimeError, ValueError, TypeError, ImportError, AssertionError) as error:
        raise UsageError(
            f"attention {backend} does not work in {dtype} on this device: {_reason(error)}", _HINT
        ) from error


def set_attention(pipe: DiffusionPipeline, backend: str) -> None:
    """Makes the denoisers of a loaded pipeline compute attention in that way.

    Raises:
        UsageError: Diffusers refuses it, or one of them has a way of its own.
    """
    for name in DENOISERS:
        model = getattr(pipe, name, None)
        if model is None:
            continue
        try:
            model.set_attention_backend(backend)
        except (RuntimeError, ValueError, ImportError) as error:
            raise UsageError(f"attention {backend} is not possible: {_reason(error)}", _HINT) from (
                error
            )
        processors = (getattr(part, "processor", None) for part in model.modules())
        if not any(getattr(one, "_attention_backend", None) == backend for one in processors):
            raise UsageError(
                f"attention is {backend}, but diffusers computes that of {type(model).__name__} in "
                "one way only",
                "remove attention from the preset",
            )


def refused_by_attention(spec: ModelSpec, error: BaseException) -> ChordsError | None:
    """Returns the error in words about the preset's attention, if it comes from there."""
    file = PurePath(attention_dispatch.__file__).name
    cause: BaseException | None = error
    while cause is not None:
        frames = traceback.extract_tb(cause.__traceback__)
        if any(PurePath(frame.filename).name == file for frame in frames):
            return ChordsError(
                f"attention {spec.attention} is not possible with {spec.pipeline} in {spec.dtype}: "
                f"{_reason(cause)}",
                _HINT,
            )
        cause = cause.__cause__
    return None


def _reason(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
