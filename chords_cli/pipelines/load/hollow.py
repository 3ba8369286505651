"""Components without weights, for cores that never ask them.

Pipelines ask whether a component is there, of what type it is and where, and read scale factors
from its configuration and statistics of latents from its buffers. None of that takes weights, which
are on the meta device here and have no bytes.
"""

import importlib
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.pipelines.load.weights import weight_files

_META = torch.device("meta")


def make_hollow(
    name: str, library: str, cls: str, spec: ModelSpec, device: torch.device
) -> nn.Module:
    """Makes a component that knows its configuration, its dtype and its buffers.

    Args:
        name: Of the component.
        library: `diffusers` or `transformers`.
        cls: Its class there.
        spec: The model.
        device: Where its buffers lie, and where it says that it is.
    """
    folder = spec.folder_of(name)
    made: Any = getattr(importlib.import_module(library), cls)
    with _META:
        if library == "diffusers":
            part: nn.Module = made.from_config(made.load_config(folder))
        else:
            part = made._from_config(made.config_class.from_pretrained(folder))
    dtype = spec.components.get(name, {}).get("dtype") or spec.dtype
    nn.Module.to(part, getattr(torch, dtype))  # diffusers' own warns of weights that it keeps
    part.eval()
    _read_buffers(part, folder, spec.variant, device)
    _say_where(part, device)
    return part


def _read_buffers(part: nn.Module, folder: Path, variant: str | None, device: torch.device) -> None:
    kept = dict(part.named_buffers()).keys() & part.state_dict().keys()
    for file in weight_files(folder, variant) if kept else ():
        with safe_open(file, framework="pt", device=str(device)) as stored:
            for name in kept & set(stored.keys()):
                owner, _, buffer = name.rpartition(".")
                dtype = part.get_buffer(name).dtype
                part.get_submodule(owner).register_buffer(buffer, stored.get_tensor(name).to(dtype))


def _say_where(part: nn.Module, device: torch.device) -> None:
    """Puts an empty tensor in the place of the first weight: libraries ask that where a part is."""
    name, first = next(iter(part.named_parameters()))
    owner, _, weight = name.rpartition(".")
    empty = nn.Parameter(torch.empty_like(first, device=device), requires_grad=False)
    part.get_submodule(owner).register_parameter(weight, empty)
