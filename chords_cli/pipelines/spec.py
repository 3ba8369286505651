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
        scheduler: None for the folder's own, else `{class, from_config, args}` (DESIGN.md, 6).
        components: Per component name `{dtype, tiling, slicing}`, each optional.
    """

    folder: str
    pipeline: str
    dtype: str
    scheduler: dict[str, Any] | None = None
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
