"""What a pipeline's VAE is given and what it makes of it, before that becomes pixels."""

import functools
import inspect
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor
from torch.overrides import TorchFunctionMode

from chords_cli.errors import ChordsError


def wrap_decoder(pipe: DiffusionPipeline) -> None:
    """Has the pipeline's VAE, if it has one, decode in its own dtype and refuse to make nan.

    Its dtype may be wider than the denoiser's, and only some pipelines cast by themselves. One that
    overflows in half precision makes nan of a finite latent, and pixels of nan are black.
    """
    vae: Any = getattr(pipe, "vae", None)
    if not hasattr(vae, "decode"):
        return
    stock = vae.decode

    @functools.wraps(stock)
    def decode(latents: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(latents, Tensor) and latents.is_floating_point():
            latents = latents.to(vae.dtype)
        decoded = stock(latents, *args, **kwargs)
        _check_finite(vae, decoded if isinstance(decoded, Tensor) else decoded[0])
        return decoded

    vae.decode = decode


def decoder_noise(pipe: DiffusionPipeline) -> AbstractContextManager[Any]:
    """Lets a pipeline draw the noise that it gives its decoder, inside the block.

    Generators are of the host. Where pipelines draw by diffusers' own function, it minds that; the
    few that ask torch for noise on their device with such a generator would fail.
    """
    names = inspect.unwrap(type(pipe).__call__).__code__.co_names
    return _DrawnOnHost() if torch.randn.__name__ in names else nullcontext()


class _DrawnOnHost(TorchFunctionMode):
    """Draws noise where its generator is, and moves it to where it was asked for."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        asked = kwargs or {}
        generator, device = asked.get("generator"), asked.get("device")
        if func is torch.randn and generator is not None and device is not None:
            return func(*args, **asked | {"device": generator.device}).to(device)
        return func(*args, **asked)


def _check_finite(vae: Any, decoded: Tensor) -> None:
    if decoded.isfinite().all():
        return
    dtype = str(decoded.dtype).removeprefix("torch.")
    wider = "write `components: {vae: {dtype: float32}}` in the preset"
    raise ChordsError(
        f"the VAE, {type(vae).__name__}, made nan or inf of a finite latent in {dtype}: "
        "the result would be black",
        wider if dtype != "float32" else "check the VAE's weights, or try a smaller {guidance}",
        {"guidance": None},
    )
