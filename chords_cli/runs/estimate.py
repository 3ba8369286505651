"""How much memory the weights take on every core, loading nothing.

Told from the files where they are on this machine, else from the numbers of parameters that the
preset tells. Only weights are counted: what a core needs while it computes depends on the size of
the picture.
"""

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chords_cli.engine.devices import device_memory
from chords_cli.media.latents import read_header
from chords_cli.pipelines.weights import weight_files
from chords_cli.presets.schema import Preset
from chords_cli.runs.settings import Settings
from chords_cli.sampler.choice import resolve_plan, resolve_stop

_ENCODERS = ("text_encoder", "tokenizer", "text_processor")
"""What core 0 alone loads, by the first letters of the component's name."""

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_FLOATS = {"F64", "F32", "F16", "BF16"}
_SIZES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2}


def estimate_memory(settings: Settings, folder: Path | None) -> list[dict[str, Any]]:
    """Per core its device, its components with the bytes of their weights, and their sum.

    `folder` holds the model; None, where it is not on this machine. Empty where nothing is known.
    """
    cores = _estimate(
        settings.preset, settings.dtype, folder, settings.plan.cores, settings.decoders
    )
    return [core | {"device": settings.devices[core["core"]]} for core in cores]


def by_device(settings: Settings, cores: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per device its cores, the bytes of their weights in all, and what memory it has.

    Args:
        settings: Where the cores run.
        cores: What `estimate_memory` says of each; the bytes are None where that is nothing.
    """
    memory = device_memory(settings.devices)
    estimate = []
    for device, has in memory.items():
        held = [core for core, place in enumerate(settings.devices) if place == device]
        size = sum(cores[core]["bytes"] for core in held) if cores else None
        estimate.append({"device": device, "cores": held, "bytes": size, **asdict(has)})
    return estimate


def preset_memory(preset: Preset, folder: Path | None) -> list[dict[str, Any]]:
    """The same for a preset's own plan, without devices; files that cannot be read are left."""
    plan = resolve_plan(preset.plan)
    decoders = resolve_stop(preset.stop, plan.cores).decoders(plan)
    try:
        return _estimate(preset, preset.dtype, folder, plan.cores, decoders)
    except (OSError, ValueError):
        return _estimate(preset, preset.dtype, None, plan.cores, decoders)


def _estimate(
    preset: Preset, dtype: str, folder: Path | None, cores: int, decoders: Collection[int]
) -> list[dict[str, Any]]:
    dtypes = {name: part.dtype for name, part in preset.components.items() if part.dtype}
    sizes = {name: _BYTES[chosen] for name, chosen in dtypes.items()}
    weights = dict(
        _file_weights(folder, sizes, _BYTES[dtype])
        if folder
        else _told_weights(preset, sizes, _BYTES[dtype])
    )
    estimate = []
    for core in range(cores if weights else 0):
        held = {name: size for name, size in weights.items() if _holds(core, name, decoders)}
        estimate.append({"core": core, "components": held, "bytes": sum(held.values())})
    return estimate


def _holds(core: int, name: str, decoders: Collection[int]) -> bool:
    if name == "vae":
        return core in decoders
    return core == 0 or not name.startswith(_ENCODERS)


def _told_weights(preset: Preset, sizes: dict[str, int], default: int) -> Iterator[tuple[str, int]]:
    for name, billions in preset.parameters.items():
        yield name, round(billions * 1e9) * sizes.get(name, default)


def _file_weights(folder: Path, sizes: dict[str, int], default: int) -> Iterator[tuple[str, int]]:
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for name, entry in index.items():
        if isinstance(entry, list) and entry[0] and (files := weight_files(folder / name)):
            yield name, sum(_weight_bytes(file, sizes.get(name, default)) for file in files)


def _weight_bytes(file: Path, size: int) -> int:
    """The bytes of a file's tensors when floats take `size` bytes each."""
    tensors = (value for key, value in read_header(file).items() if key != "__metadata__")
    return sum(
        math.prod(tensor["shape"])
        * (size if tensor["dtype"] in _FLOATS else _SIZES.get(tensor["dtype"], 1))
        for tensor in tensors
    )
