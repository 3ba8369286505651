"""Estimates how much memory the weights take on every core, without loading them.

The estimate comes from the files of the weights if they are on this machine, and otherwise from the
numbers of parameters in the preset. Only weights count: what a core needs while it computes depends
on the size of the picture.
"""

import json
import math
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TypedDict

from chords_cli.hub.repository import INDEX
from chords_cli.media.latents import read_header
from chords_cli.models.elsewhere.sources import adapter_files, held_parts
from chords_cli.pipelines.load.spec import BYTES, DENOISERS, ENCODERS, SEEING
from chords_cli.pipelines.load.weights import weight_files
from chords_cli.presets.schema import Preset
from chords_cli.sampler.choice import resolve_plan
from chords_cli.sampler.stop import resolve_stop

_FLOATS = {"F64", "F32", "F16", "BF16"}
_SIZES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2}


class CoreMemory(TypedDict):
    """What one core holds, in bytes: its components and their sum."""

    core: int
    components: dict[str, int]
    bytes: int


def estimate_memory(
    preset: Preset,
    dtype: str,
    cores: int,
    decoders: Collection[int],
    folder: Path | None,
    encoders: Collection[int] = (0,),
    *,
    sees: bool = False,
) -> list[CoreMemory]:
    """Estimates the bytes of the weights on every core.

    Args:
        preset: The model.
        dtype: The type that the model runs in.
        cores: The number of cores.
        decoders: The cores that may have to decode an output.
        folder: The folder of the model; None if it is not on this machine.
        encoders: The cores that encode prompts.
        sees: Whether these also encode what the call starts from.

    Returns:
        One estimate per core; an empty list if nothing is known.
    """
    dtypes = {name: part.dtype for name, part in preset.components.items() if part.dtype}
    sizes = {name: BYTES[chosen] for name, chosen in dtypes.items()}
    if folder:
        weights = dict(_file_weights(preset, folder, sizes, BYTES[dtype]))
    else:
        weights = {
            name: round(billions * 1e9) * sizes.get(name, BYTES[dtype])
            for name, billions in preset.parameters.items()
        }
    estimate: list[CoreMemory] = []
    for core in range(cores if weights else 0):
        encodes, decodes = core in encoders, core in decoders
        held = {
            name: size
            for name, size in weights.items()
            if _holds(name, encodes=encodes, decodes=decodes, sees=encodes and sees)
        }
        estimate.append({"core": core, "components": held, "bytes": sum(held.values())})
    return estimate


def preset_memory(preset: Preset, folder: Path | None) -> list[CoreMemory]:
    """Estimates the memory for a preset's own plan; files that cannot be read count as missing."""
    plan = resolve_plan(preset.plan)
    decoders = resolve_stop(preset.stop, plan.cores).decoders(plan)
    sees = bool(preset.adapters) or any(rule.required for rule in preset.inputs.values())
    estimate = partial(estimate_memory, preset, preset.dtype, plan.cores, decoders, sees=sees)
    try:
        return estimate(folder)
    except (OSError, ValueError):
        return estimate(None)


def _holds(name: str, *, encodes: bool, decodes: bool, sees: bool) -> bool:
    """Tells whether a core loads the weights of a component."""
    if name in SEEING:
        return sees or (decodes and SEEING[name] == "encode")
    return encodes or not name.startswith(ENCODERS)


def _file_weights(
    preset: Preset, folder: Path, sizes: dict[str, int], default: int
) -> Iterator[tuple[str, int]]:
    """Yields every component that has weights, with their bytes; adapters become the denoiser's."""
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    parts = held_parts(preset, folder, index)
    denoiser = next((name for name in DENOISERS if name in parts), None)
    for name, part in parts.items():
        files = weight_files(Path(part.folder), preset.variant)
        if name == denoiser:
            files += [Path(file) for file, _ in adapter_files(preset)]
        if files:
            yield name, sum(_weight_bytes(file, sizes.get(name, default)) for file in files)


def _weight_bytes(file: Path, size: int) -> int:
    """Returns the bytes of a file's tensors when every float takes `size` bytes."""
    tensors = (value for key, value in read_header(file).items() if key != "__metadata__")
    return sum(
        math.prod(tensor["shape"])
        * (size if tensor["dtype"] in _FLOATS else _SIZES.get(tensor["dtype"], 1))
        for tensor in tensors
    )
