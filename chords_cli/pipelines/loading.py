"""Loads the part of a pipeline that a core needs.

Core 0 holds everything. The others hold neither text encoders nor tokenizers, and where they will
not decode, a VAE of its configuration alone (on the meta device: no bytes), because pipelines
read their scale factors from it.
"""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline, SchedulerMixin

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.chain import check_pipeline
from chords_cli.pipelines.schedulers import check_scheduler
from chords_cli.pipelines.spec import ModelSpec

_ENCODERS = ("text_encoder", "tokenizer", "text_processor")


def load_pipeline(
    spec: ModelSpec, *, device: torch.device, encodes: bool, decodes: bool
) -> DiffusionPipeline:
    """The pipeline of `spec` with what this core needs, on `device`.

    Everything that can be refused is refused before the first weight is read.

    Raises:
        UsageError: The pipeline, its scheduler or a setting cannot work.
        ChordsError: The folder does not hold what the pipeline needs.
    """
    cls = pipeline_class(spec.pipeline)
    check_pipeline(cls)
    index = _read_index(Path(spec.folder))
    scheduler = _scheduler(spec, index)
    check_scheduler(scheduler)
    given: dict[str, Any] = {"scheduler": scheduler}
    if not encodes:
        given |= {name: None for name in index if name.startswith(_ENCODERS)}
    if not decodes and "vae" in index:
        given["vae"] = _config_only(Path(spec.folder), "vae", index["vae"])
    pipe = _from_folder(cls, spec, given)
    _place(pipe, device)
    _tune(pipe, spec)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def loaded_components(pipe: DiffusionPipeline) -> tuple[str, ...]:
    """The names of the components that hold weights or a vocabulary in this process."""
    return tuple(
        name
        for name, part in sorted(pipe.components.items())
        if part is not None and name != "scheduler" and not _is_meta(part)
    )


def pipeline_class(name: str) -> type[DiffusionPipeline]:
    """The diffusers pipeline class of that name.

    Raises:
        UsageError: diffusers has no such pipeline.
    """
    cls = getattr(diffusers, name, None)
    if not (isinstance(cls, type) and issubclass(cls, DiffusionPipeline)):
        raise UsageError(
            f"pipeline {name} is not a pipeline of diffusers {diffusers.__version__}",
            "write the class name as in the model's model_index.json, or upgrade diffusers",
        )
    return cls


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / "model_index.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ChordsError(
            f"{folder} is not a diffusers repository: {path.name} cannot be read ({error})",
            "point the preset at a folder that `save_pretrained` wrote",
        ) from error


def _scheduler(spec: ModelSpec, index: dict[str, Any]) -> SchedulerMixin:
    """The repository's scheduler, or the preset's made from its configuration."""
    own = getattr(diffusers, index["scheduler"][1])
    scheduler = own.from_pretrained(spec.folder, subfolder="scheduler")
    if not spec.scheduler:
        return scheduler
    cls: Any = getattr(diffusers, spec.scheduler.get("class") or own.__name__, None)
    known = isinstance(cls, type) and issubclass(cls, SchedulerMixin)
    if not known:
        raise UsageError(
            f"scheduler.class {spec.scheduler['class']} is not a scheduler of diffusers",
            "write a class name such as FlowMatchEulerDiscreteScheduler",
        )
    args = spec.scheduler.get("args") or {}
    if spec.scheduler.get("from_config", True):
        return cls.from_config(scheduler.config, **args)
    return cls(**args)


def _config_only(folder: Path, name: str, entry: list[str]) -> torch.nn.Module:
    cls = getattr(diffusers, entry[1])
    with torch.device("meta"):
        return cls.from_config(cls.load_config(folder / name)).eval()


def _from_folder(
    cls: type[DiffusionPipeline], spec: ModelSpec, given: dict[str, Any]
) -> DiffusionPipeline:
    wanted = {name: options.get("dtype") for name, options in spec.components.items()}
    dtypes = {name: getattr(torch, dtype) for name, dtype in wanted.items() if dtype}
    dtypes["default"] = getattr(torch, spec.dtype)
    try:
        return cls.from_pretrained(
            spec.folder, dtype=dtypes, local_files_only=True, use_safetensors=True, **given
        )
    except (OSError, ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ChordsError(
            f"{spec.pipeline} could not be loaded from {spec.folder}: {first}",
            "check that the folder is complete and that its weights are safetensors",
        ) from error


def _place(pipe: DiffusionPipeline, device: torch.device) -> None:
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module) and not _is_meta(part):
            part.to(device)


def _is_meta(part: object) -> bool:
    if not isinstance(part, torch.nn.Module):
        return False
    return any(parameter.is_meta for parameter in part.parameters())


def _tune(pipe: DiffusionPipeline, spec: ModelSpec) -> None:
    for name, options in spec.components.items():
        part = getattr(pipe, name, None)
        if part is None:
            continue
        for option in ("tiling", "slicing"):
            if options.get(option):
                getattr(part, f"enable_{option}")()
