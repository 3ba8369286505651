"""Which model to load and how, as plain data that crosses process boundaries.

With it the names that torch and diffusers give to dtypes, devices and components. No library is
needed to know them, so every layer above may.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Dtype = Literal["float32", "bfloat16", "float16"]
"""What a model can run in, by torch's names."""

DTYPES: tuple[str, ...] = get_args(Dtype)

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""How much memory one number takes, by dtype."""

STREAMING = ("cuda", "xpu")
"""Kinds of accelerators, numbered from 0, whose work can be spread over several streams: NVIDIA's
and AMD's, Intel's."""

ACCELERATORS = (*STREAMING, "mps")
"""Kinds of accelerators that a core can run on, Apple's too."""

Arguments = dict[str, Any]
"""Keyword arguments of a call of diffusers."""

Index = dict[str, Any]
"""What model_index.json holds, by component its library and class; or another such file."""

TEXT_ENCODER = "text_encoder"
"""How the names of text encoders begin."""

ENCODERS = (TEXT_ENCODER, "tokenizer", "text_processor")
"""How the names of those components begin that only encode prompts: core 0 alone loads them."""

SEEING = {
    "vae": "encode",
    "image_encoder": "forward",
    "siglip": "forward",
    "movq": "encode",
}
"""The components that look at a picture before the loop, each with the method that is asked. Core
0 asks them and shares what they say; on other cores they are hollow (`pipelines.load.hollow`)."""

OFFLOADED = (TEXT_ENCODER, *(name for name, method in SEEING.items() if method == "forward"))
"""How the names of those components begin that may leave the device once they have encoded."""

DENOISERS = ("transformer", "transformer_2", "unet")
"""The names of the components that predict the drift, as far as a model has them."""


CacheName = Literal["first-block", "taylorseer", "mag", "faster", "pyramid"]
"""Diffusers' step caches: what a model made in one step is used again in the next ones."""

CACHES: Mapping[CacheName, str] = {
    "first-block": "FirstBlockCacheConfig",
    "taylorseer": "TaylorSeerCacheConfig",
    "mag": "MagCacheConfig",
    "faster": "FasterCacheConfig",
    "pyramid": "PyramidAttentionBroadcastConfig",
}
"""The class of diffusers that holds each cache's parameters."""

TIMED_CACHES = ("faster", "pyramid")
"""The caches that ask for the timestep; the others are told which call of the model is which."""


BRANCHES = 2
"""The halves of classifier-free guidance: with the prompt, and without it."""


@dataclass(frozen=True, slots=True)
class PartSpec:
    """A component that does not lie in the model's folder.

    Attributes:
        library: `diffusers` or `transformers`.
        cls: Its class there.
        folder: The folder that holds its configuration and its weights.
    """

    library: str
    cls: str
    folder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """What to load, on every core alike.

    Attributes:
        folder: A local folder that holds a diffusers pipeline: a preset's own, or a snapshot in
            the Hugging Face cache.
        pipeline: The name of a diffusers pipeline class.
        dtype: One of `DTYPES`: what the components are loaded in.
        variant: The variant of the weights' files, such as `fp16`; None for the plain ones.
        scheduler: None for the folder's own, else `{class, from_config, args, first_order}`.
        components: Per component name `{dtype, tiling, slicing, offload}`, each optional.
        quantization: None, else `{backend, kwargs, components}` for diffusers' own
            `PipelineQuantizationConfig`.
        compile: None, else the arguments of `compile_repeated_blocks`.
        attention: None, else the name of the way in which diffusers computes attention.
        loras: Each a safetensors file and its scale; the file names its part (see `lora_part`)
            where the model has two of a kind.
        cache: None, else `{name, args}`: one of `CACHES` and its parameters.
        sees: Whether calls start from a picture or a video, which core 0 then encodes.
        parts: Those components that lie elsewhere, by name.
        adapters: Each a safetensors file of an IP-Adapter and its scale.
    """

    folder: str
    pipeline: str
    dtype: str
    variant: str | None = None
    scheduler: Arguments | None = None
    components: dict[str, Arguments] = field(default_factory=dict)
    quantization: Arguments | None = None
    compile: Arguments | None = None
    attention: str | None = None
    loras: tuple[tuple[str, float], ...] = ()
    cache: Arguments | None = None
    sees: bool = False
    parts: dict[str, PartSpec] = field(default_factory=dict)
    adapters: tuple[tuple[str, float], ...] = ()

    def folder_of(self, component: str) -> Path:
        """Returns the folder of a component."""
        part = self.parts.get(component)
        return Path(part.folder) if part else Path(self.folder, component)


def lora_part(source: str) -> tuple[str, str | None]:
    """Splits a LoRA's source, as `ink.safetensors@transformer_2`, from the denoiser that it is for.

    The denoiser is None where the source names none.
    """
    name, _, part = source.rpartition("@")
    return (name, part) if name and part in DENOISERS else (source, None)
