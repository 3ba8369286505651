"""Turns latents into safetensors files, and reads the headers of such files, without torch.

The format is a length in eight bytes, a JSON header of that length and the bytes of the tensors:
https://github.com/huggingface/safetensors#format. Headers also tell how large a model is.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chords_cli.engine.messages import Latent

_DTYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_LARGEST_HEADER = 1 << 24
"""Bytes of a header that is read; one with 100,000 tensors has less."""


def latent_bytes(latent: "Latent", metadata: Mapping[str, str]) -> bytes:
    """Returns a safetensors file with `latent`, under the name `latent`, and with `metadata`."""
    tensor = {
        "dtype": _DTYPES[latent.dtype],
        "shape": list(latent.shape),
        "data_offsets": [0, len(latent.data)],
    }
    tags = {"__metadata__": dict(metadata)} if metadata else {}
    text = json.dumps({**tags, "latent": tensor}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + latent.data


def read_latent(path: Path) -> tuple[str, tuple[int, ...], bytes]:
    """Reads a file that `latent_bytes` made: the latent's dtype, its shape and its bytes.

    Raises:
        ValueError: The file holds no latent, or is cut off.
    """
    header = read_header(path)
    names = {name: dtype for dtype, name in _DTYPES.items()}
    tensor = header.get("latent")
    if not isinstance(tensor, dict) or tensor.get("dtype") not in names:
        raise ValueError("it holds no latent")
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        first, last = tensor["data_offsets"]
        if start + last > path.stat().st_size:
            raise ValueError("it is cut off")
        file.seek(start + first)
        data = file.read(last - first)
    dtype, shape = names[tensor["dtype"]], tuple(tensor["shape"])
    if math.prod(shape) * (4 if dtype == "float32" else 2) != len(data):
        raise ValueError("its size is not that of its shape")
    return dtype, shape, data


def read_header(path: Path) -> dict[str, Any]:
    """Reads the header of a safetensors file: dtype and shape per tensor, and `__metadata__`.

    Raises:
        ValueError: The file is not a safetensors file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= _LARGEST_HEADER else b""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not all(map(_is_tensor, header.items())):
        raise ValueError(f"{path} is not a safetensors file")
    return header


def _is_tensor(entry: tuple[str, Any]) -> bool:
    """Tells whether an entry of a header describes a tensor, or holds the texts of the file."""
    match entry:
        case "__metadata__", dict(texts):
            return all(isinstance(text, str) for text in texts.values())
        case _, {"dtype": str(), "shape": list(shape), "data_offsets": [int(first), int(last)]}:
            return all(isinstance(n, int) and n >= 0 for n in shape) and 0 <= first <= last
    return False


def whole_size(path: Path) -> int:
    """Returns how many bytes a safetensors file has if nothing of it is missing.

    Raises:
        ValueError: The file is not a safetensors file.
    """
    header = read_header(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    ends = [tensor["data_offsets"][1] for key, tensor in header.items() if key != "__metadata__"]
    return int(8 + length + max(ends, default=0))
