"""Bounds from below the memory that a run takes: what is certain, not what is likely.

Cores on the host that load weights as they are stored share the pages of the file, so these count
once. Encoders may leave a device, and how far a quantization compresses weights is not known
here, so neither counts. Of all that a run computes, only the decoded picture counts, and in the
plain VAE the last layer before it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chords_cli.media.latents import read_header
from chords_cli.models.diffusers_source import FRAMES
from chords_cli.models.elsewhere.sources import part_folder
from chords_cli.models.memory import CoreMemory
from chords_cli.pipelines.load.spec import BYTES, DENOISERS, OFFLOADED
from chords_cli.pipelines.load.weights import weight_files
from chords_cli.presets.schema import Preset

_STORED = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_PIXEL = 3 * 4
"""The bytes of a pixel on the host: pipelines hand over three float32 numbers."""


def least_weights(
    preset: Preset,
    dtype: str,
    folder: Path | None,
    cores: Sequence[CoreMemory],
    device: str,
    *,
    copies: bool = False,
) -> int:
    """Returns the bytes of the weights that the cores of a device hold at least.

    Args:
        preset: The model.
        dtype: The type that the model runs in.
        folder: The model's; None if it is not on this machine.
        cores: The estimates of the cores on the device.
        device: `cpu` or an accelerator.
        copies: Whether to count what the cores may share for each of them.
    """
    quantized = preset.quantization and (preset.quantization.components or DENOISERS)
    total = 0
    for name in dict.fromkeys(name for core in cores for name in core["components"]):
        sizes = [core["components"][name] for core in cores if name in core["components"]]
        if name in (quantized or ()) or (device != "cpu" and name.startswith(OFFLOADED)):
            continue
        shared = device == "cpu" and (folder is None or _as_stored(preset, dtype, folder, name))
        total += max(sizes) if shared and not copies else sum(sizes)
    return total


def least_picture(
    preset: Preset, dtype: str, call: Mapping[str, Any], folder: Path | None
) -> tuple[int, int]:
    """Returns the bytes that the decoded frames take at least, on their device and on the host.

    Args:
        preset: The model.
        dtype: The type that the model runs in.
        call: The arguments of the pipeline's call.
        folder: The model's; None if it is not on this machine.
    """
    width, height = call.get("width"), call.get("height")
    frames = next((call[name] for name in FRAMES if name in call), 1)
    if not all(type(number) is int for number in (width, height, frames)):
        return 0, 0
    assert width is not None, "a number as the two others are"
    assert height is not None, "a number as the two others are"
    vae = preset.components.get("vae")
    number = BYTES[(vae and vae.dtype) or dtype]
    pixels = width * height
    plain = folder is not None and not (vae and vae.tiling)
    last = _last_layer(part_folder(preset, folder, "vae")) if plain and folder else 0
    layer = last * pixels * number
    return max(3 * number * pixels * frames, layer), _PIXEL * pixels * frames


def _as_stored(preset: Preset, dtype: str, folder: Path, name: str) -> bool:
    """Tells whether a component's numbers are loaded in the type in which they are stored."""
    part = preset.components.get(name)
    stored = _STORED[(part and part.dtype) or dtype]
    files = weight_files(part_folder(preset, folder, name), preset.variant)
    headers = map(read_header, files)
    tensors = (header[key] for header in headers for key in header if key != "__metadata__")
    return all(tensor["dtype"] == stored for tensor in tensors)


def _last_layer(folder: Path) -> int:
    """Returns how many numbers per pixel the last layer of a plain VAE in `folder` takes."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        plain = config["_class_name"] == "AutoencoderKL"
        return 2 * int(config["block_out_channels"][0]) if plain else 0
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return 0
