"""Which model to load and how, as plain data that crosses process boundaries."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """What to load, on every core alike.

    Attributes:
        folder: A local folder that holds a diffusers pipeline: a preset's own, or a snapshot in
            the Hugging Face cache.
        pipeline: The name of a diffusers pipeline class.
        dtype: `float32`, `bfloat16` or `float16`: what the components are loaded in.
        scheduler: None for the folder's own, else `{class, from_config, args, first_order}`.
        components: Per component name `{dtype, tiling, slicing, offload}`, each optional.
        quantization: None, else `{backend, kwargs, components}` for diffusers' own
            `PipelineQuantizationConfig`.
        compile: None, else the arguments of `compile_repeated_blocks`.
        loras: Each a safetensors file and its scale.
    """

    folder: str
    pipeline: str
    dtype: str
    scheduler: dict[str, Any] | None = None
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    quantization: dict[str, Any] | None = None
    compile: dict[str, Any] | None = None
    loras: tuple[tuple[str, float], ...] = ()
