"""Loads what does not lie in the model's own folder: single components, and IP-Adapters.

A component is loaded by its own class, and the pipeline takes it in place of what its folder has.
"""

import importlib
import inspect
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from safetensors import SafetensorError
from torch import nn

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.pipelines.load.weights import weight_files

_ENCODERS = ("image_encoder_folder", "image_encoder_pretrained_model_name_or_path")
"""The arguments with which diffusers would load an image encoder of its own."""


def load_part(name: str, spec: ModelSpec) -> nn.Module:
    """Loads a component from the folder that it has of its own, on the host.

    Raises:
        ChordsError: The folder does not hold what its class needs.
    """
    part = spec.parts[name]
    cls: Any = getattr(importlib.import_module(part.library), part.cls, None)
    if cls is None:
        raise ChordsError(
            f"component {name} has the class {part.cls}, which {part.library} does not know",
            f"upgrade {part.library}, or name another repository in the preset",
        )
    dtype = getattr(torch, spec.components.get(name, {}).get("dtype") or spec.dtype)
    files = weight_files(spec.folder_of(name), spec.variant)
    varied = any(f".{spec.variant}" in file.stem for file in files)
    try:
        loaded: nn.Module = cls.from_pretrained(
            part.folder,
            dtype=dtype,
            variant=spec.variant if varied else None,
            use_safetensors=True,
            local_files_only=True,
        )
    except (OSError, ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ChordsError(
            f"component {name} could not be loaded from {part.folder}: {first}",
            "check that the folder is complete and that its weights are safetensors",
        ) from error
    return loaded.eval()


def add_adapters(pipe: DiffusionPipeline, spec: ModelSpec) -> None:
    """Adds the IP-Adapters of `spec` to a loaded pipeline, which has the encoder that they need.

    Raises:
        UsageError: The pipeline takes no IP-Adapter.
        ChordsError: A file does not fit the model.
    """
    if not spec.adapters:
        return
    load = getattr(pipe, "load_ip_adapter", None)
    if load is None:
        raise UsageError(
            f"{spec.pipeline} takes no IP-Adapter", "remove `adapters` from the preset"
        )
    files, scales = [Path(file) for file, _ in spec.adapters], [scale for _, scale in spec.adapters]
    several = len(files) > 1
    folders, names = [str(file.parent) for file in files], [file.name for file in files]
    encoders = {name: None for name in inspect.signature(load).parameters if name in _ENCODERS}
    try:
        load(
            folders if several else folders[0],
            subfolder="",
            weight_name=names if several else names[0],
            local_files_only=True,
            **encoders,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ChordsError(
            f"adapter {', '.join(map(str, files))} could not be loaded into "
            f"{type(pipe).__name__}: {reason}",
            "check that it was made for this model",
        ) from error
    pipe.set_ip_adapter_scale(scales if several else scales[0])
