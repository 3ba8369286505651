"""Latents to safetensors files, without any tensor library.

The format is an eight byte length, a JSON header of that length and the bytes of the tensors:
https://github.com/huggingface/safetensors#format. Headers also tell what a model weighs.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chords_cli.engine.messages import Latent

_DTYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_LARGEST_HEADER = 100_000_000


def latent_bytes(latent: "Latent", metadata: Mapping[str, str]) -> bytes:
    """A safetensors file that holds `latent` under the name `latent`, and `metadata`."""
    tensor = {
        "dtype": _DTYPES[latent.dtype],
        "shape": list(latent.shape),
        "data_offsets": [0, len(latent.data)],
    }
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    text = json.dumps(header | {"latent": tensor}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + latent.data


def read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: per tensor its dtype and shape, and `__metadata__`.

    Raises:
        ValueError: It is not a safetensors file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LARGEST_HEADER:
            raise ValueError(f"{path} is not a safetensors file")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError(f"{path} is not a safetensors file")
    return header
