"""Estimates how large a model's latent is, from the configuration of its VAE; loads nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chords_cli.models.diffusers_source import FRAMES
from chords_cli.models.elsewhere.sources import part_folder
from chords_cli.models.parts import read_config
from chords_cli.presets.schema import Preset

_CHANNELS, _SPACE, _TIME = 16, 8, 4
"""What most of today's models have: numbers per place, and pixels and frames per place."""

_SIDE = 1024
"""Of a picture whose call names no size."""


def latent_elements(preset: Preset, call: Mapping[str, Any], folder: Path | None) -> int:
    """Estimates how many numbers the latent of a call has.

    Args:
        preset: The model.
        call: The arguments of the pipeline's call.
        folder: The model's; None, where it is not on this machine, for what most models have.
    """
    config = read_config(part_folder(preset, folder, "vae")) if folder else {}
    blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels")
    space = _first(config, ("spatial_compression_ratio", "scale_factor_spatial"))
    space = space or (2 ** (len(blocks) - 1) if isinstance(blocks, list) and blocks else _SPACE)
    channels = _first(config, ("latent_channels", "z_dim")) or _CHANNELS
    time = _first(config, ("temporal_compression_ratio", "scale_factor_temporal")) or _TIME
    width, height = (_first(call, (side,)) or _SIDE for side in ("width", "height"))
    frames = _first(call, tuple(FRAMES)) or 1
    return channels * (width // space) * (height // space) * (1 + (frames - 1) // time)


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """Returns the first of these values that is a number above 0."""
    found = (values.get(name) for name in names)
    return next((value for value in found if type(value) is int and value > 0), None)
