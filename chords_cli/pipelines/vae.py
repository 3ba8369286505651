"""Checks what a pipeline's VAE decodes, before the pipeline makes pixels of it.

A VAE that overflows in half precision makes nan of a finite latent, and pixels of nan are black.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from chords_cli.errors import ChordsError


def check_decoder(pipe: DiffusionPipeline) -> None:
    """Has the pipeline's VAE, if it has one, refuse to return values that are not finite."""
    vae: Any = getattr(pipe, "vae", None)
    if hasattr(vae, "decode"):
        vae.decode = _checked(vae, vae.decode)


def _checked(vae: torch.nn.Module, decode: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(decode)
    def checked(latent: Tensor, *args: Any, **kwargs: Any) -> Any:
        decoded = decode(latent, *args, **kwargs)
        values = decoded if isinstance(decoded, Tensor) else decoded[0]
        if not values.isfinite().all():
            dtype = str(values.dtype).removeprefix("torch.")
            raise ChordsError(
                f"the VAE, {type(vae).__name__}, made nan or inf of a finite latent in {dtype}: "
                "the result would be black",
                "write `components: {vae: {dtype: float32}}` in the preset"
                if dtype != "float32"
                else "check the VAE's weights, or try a smaller {guidance}",
                {"guidance": None},
            )
        return decoded

    return checked
