"""How much memory the weights take on every core, loading nothing.

Told from the files where they are on this machine, else from the numbers of parameters that the
preset tells. Only weights are counted: what a core needs while it computes depends on the size of
the picture.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chords_cli.media.latents import read_header
from chords_cli.pipelines.weights import weight_files
from chords_cli.runs.settings import Settings

_ENCODERS = ("text_encoder", "tokenizer", "text_processor")
"""What core 0 alone loads, by the first letters of the component's name."""

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_FLOATS = {"F64", "F32", "F16", "BF16"}
_SIZES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2}


def estimate_memory(settings: Settings, folder: Path | None) -> list[dict[str, Any]]:
    """Per core its device, its components with the bytes of their weights, and their sum.

    `folder` holds the model; None, where it is not on this machine. Empty where nothing is known.
    """
    weights = dict(_file_weights(settings, folder) if folder else _told_weights(settings))
    estimate = []
    for core, device in enumerate(settings.devices if weights else ()):
        held = {name: size for name, size in weights.items() if _holds(settings, core, name)}
        estimate.append(
            {"core": core, "device": device, "components": held, "bytes": sum(held.values())}
        )
    return estimate


def _holds(settings: Settings, core: int, name: str) -> bool:
    if name == "vae":
        return core in settings.decoders
    return core == 0 or not name.startswith(_ENCODERS)


def _told_weights(settings: Settings) -> Iterator[tuple[str, int]]:
    for name, billions in settings.preset.parameters.items():
        yield name, round(billions * 1e9) * _BYTES[_dtype(settings, name)]


def _dtype(settings: Settings, name: str) -> str:
    part = settings.preset.components.get(name)
    return (part and part.dtype) or settings.dtype


def _file_weights(settings: Settings, folder: Path) -> Iterator[tuple[str, int]]:
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for name, entry in index.items():
        if isinstance(entry, list) and entry[0] and (files := weight_files(folder / name)):
            size = _BYTES[_dtype(settings, name)]
            yield name, sum(_weight_bytes(file, size) for file in files)


def _weight_bytes(file: Path, size: int) -> int:
    """The bytes of a file's tensors when floats take `size` bytes each."""
    tensors = (value for key, value in read_header(file).items() if key != "__metadata__")
    return sum(
        math.prod(tensor["shape"])
        * (size if tensor["dtype"] in _FLOATS else _SIZES.get(tensor["dtype"], 1))
        for tensor in tensors
    )
