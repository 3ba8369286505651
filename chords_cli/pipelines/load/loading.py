"""Loads the part of a pipeline that a core needs.

Core 0 holds everything; a VAE that it does not decode with only if it looks at pictures. The others
hold neither text encoders nor tokenizers, and image encoders, and the VAE where they will not
decode, without weights.
"""

import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import diffusers.guiders  # which every loading imports: once, before cores are forked
import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from diffusers.pipelines import pipeline_utils

from chords_cli.errors import ChordsError, verbatim
from chords_cli.pipelines.chain import check_pipeline
from chords_cli.pipelines.conditions.encoding import encodes_apart
from chords_cli.pipelines.load.attention import try_attention
from chords_cli.pipelines.load.elsewhere import load_part
from chords_cli.pipelines.load.hollow import make_hollow
from chords_cli.pipelines.load.offload import is_hollow
from chords_cli.pipelines.load.options import tune
from chords_cli.pipelines.load.quantization import quantization_config, refused
from chords_cli.pipelines.load.spec import ENCODERS, OFFLOADED, SEEING, Arguments, Index, ModelSpec
from chords_cli.pipelines.load.weights import Reading, file_sizes
from chords_cli.pipelines.rules import check_first_order, unknown_class
from chords_cli.pipelines.solver import check_scheduler

_META = torch.device("meta")


def load_pipeline(
    spec: ModelSpec,
    *,
    device: torch.device,
    encodes: bool,
    decodes: bool,
    reading: Reading | None = None,
) -> DiffusionPipeline:
    """Loads the pipeline of `spec` with what this core needs, on `device`.

    Everything that can be refused is refused before the first weight is read. `reading` learns
    what will be read.

    Raises:
        UsageError: The pipeline, its scheduler or a setting cannot work.
        ChordsError: The folder does not hold what the pipeline needs.
    """
    cls = pipeline_class(spec.pipeline)
    check_pipeline(cls)
    index = _read_index(Path(spec.folder))
    index |= {name: [part.library, part.cls] for name, part in spec.parts.items()}
    given: Arguments = {"scheduler": load_scheduler(spec)}
    if not encodes and encodes_apart(cls):
        given |= {name: None for name in index if name.startswith(ENCODERS)}
    for name, method in SEEING.items():
        library, part = index.get(name) or (None, None)
        asked = (encodes and spec.sees) or (decodes and method == "encode")
        if library and part and not asked:
            given[name] = make_hollow(name, library, part, spec, device)
    quantization = quantization_config(spec, index)
    try_attention(spec, device)
    if reading:
        folders = {name: spec.folder_of(name) for name in index if name not in given}
        reading.expect(file_sizes(folders, spec.variant))
    for name in (part for part in spec.parts if part not in given):
        if reading:
            reading.hear(name, 0, None)
        given[name] = load_part(name, spec)
    pipe = _from_folder(cls, spec, given, quantization, _device_map(cls, spec, device))
    _place(pipe, device)
    tune(pipe, spec)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_scheduler(spec: ModelSpec) -> SchedulerMixin:
    """Makes the repository's scheduler, or the preset's from its configuration.

    Raises:
        UsageError: Cores cannot share it, or a setting cannot work.
        ChordsError: The folder names no scheduler.
    """
    scheduler = _scheduler(spec, _read_index(Path(spec.folder)))
    check_scheduler(scheduler)
    return scheduler


def loaded_components(pipe: DiffusionPipeline) -> tuple[str, ...]:
    """Names the components that hold weights or a vocabulary in this process."""
    names = []
    for name, part in sorted(pipe.components.items()):
        hollow = isinstance(part, torch.nn.Module) and is_hollow(part)
        if part is not None and name != "scheduler" and not hollow:
            names.append(name)
    return tuple(names)


def pipeline_class(name: str) -> type[DiffusionPipeline]:
    """Returns the diffusers pipeline class of that name.

    Raises:
        UsageError: diffusers has no such pipeline.
    """
    cls = getattr(diffusers, name, None)
    if not (isinstance(cls, type) and issubclass(cls, DiffusionPipeline)):
        raise unknown_class("pipeline", name, diffusers.__version__)
    return cls


def _read_index(folder: Path) -> Index:
    path = folder / "model_index.json"
    try:
        index: Index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ChordsError(
            f"{folder} is not a diffusers repository: {path.name} cannot be read ({error})",
            "point the preset at a folder that `save_pretrained` wrote",
        ) from error
    for name, entry in index.items():
        if isinstance(entry, list) and any(entry) and not _is_known(entry[0]):
            raise ChordsError(
                f"component {name} is of {verbatim(entry[0])}, whose code is never run",
                "name a model whose components are classes of diffusers and transformers",
            )
    return index


def _is_known(library: object) -> bool:
    """Tells whether a library that a repository names may be imported, which runs it."""
    if library in ("diffusers", "transformers"):
        return True
    pipelines = Path(diffusers.__file__).parent / "pipelines"
    return isinstance(library, str) and library.isidentifier() and (pipelines / library).is_dir()


def _scheduler(spec: ModelSpec, index: Index) -> SchedulerMixin:
    name = (index.get("scheduler") or [None, None])[1]
    own = _scheduler_class(name)
    if own is None:
        raise ChordsError(
            f"{spec.folder} names no scheduler of diffusers {diffusers.__version__}: {name}",
            "point the preset at a repository whose model_index.json names one",
        )
    scheduler = own.from_pretrained(spec.folder, subfolder="scheduler")
    if not spec.scheduler:
        return scheduler
    cls = _scheduler_class(spec.scheduler.get("class") or name)
    if cls is None:
        raise unknown_class("scheduler", spec.scheduler["class"], diffusers.__version__)
    args = dict(spec.scheduler.get("args") or {})
    if spec.scheduler.get("first_order"):
        args |= _first_order(cls, scheduler)
    if spec.scheduler.get("from_config", True):
        return cls.from_config(scheduler.config, **args)
    return cls(**args)


def _scheduler_class(name: str | None) -> Any:
    cls = getattr(diffusers, name or "", None)
    return cls if isinstance(cls, type) and issubclass(cls, SchedulerMixin) else None


def _first_order(cls: type[SchedulerMixin], scheduler: SchedulerMixin) -> Arguments:
    """Returns the settings that make a multistep scheduler Euler's method on its own grid."""
    known = inspect.signature(cls.__init__).parameters
    check_first_order(cls.__name__, known)
    settings: Arguments = {"solver_order": 1}
    if "disable_corrector" in known:
        settings["disable_corrector"] = list(range(scheduler.config.num_train_timesteps))
    return settings


def _from_folder(
    cls: type[DiffusionPipeline],
    spec: ModelSpec,
    given: Arguments,
    quantization: Any,
    device_map: str | None,
) -> DiffusionPipeline:
    wanted = {name: options.get("dtype") for name, options in spec.components.items()}
    dtypes = {name: getattr(torch, dtype) for name, dtype in wanted.items() if dtype}
    dtypes["default"] = getattr(torch, spec.dtype)
    try:
        return cls.from_pretrained(
            spec.folder,
            dtype=dtypes,
            local_files_only=True,
            use_safetensors=True,
            variant=spec.variant,
            quantization_config=quantization,
            device_map=device_map,
            **given,
        )
    except (OSError, ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ChordsError(
            f"{spec.pipeline} could not be loaded from {spec.folder}: {first}",
            "check that the folder is complete and that its weights are safetensors",
        ) from error
    except (ImportError, RuntimeError) as error:
        if quantization is None or isinstance(error, torch.OutOfMemoryError):
            raise
        raise refused(spec, error) from error


def _device_map(cls: type[DiffusionPipeline], spec: ModelSpec, device: torch.device) -> str | None:
    """Chooses how diffusers reads weights straight into the memory of `device`.

    None where they go by the host: for the host itself, and for text encoders that stay there.
    Diffusers lists kinds of devices alone, but the threads in which weights are read would take a
    kind for its first device.
    """
    stays = any(options.get("offload") == "always" for options in spec.components.values())
    by_host = device.type == "cpu" or stays or cls._load_connected_pipes
    if by_host:
        return None
    if str(device) not in pipeline_utils.SUPPORTED_DEVICE_MAP:
        pipeline_utils.SUPPORTED_DEVICE_MAP.append(str(device))
    return str(device)


def _place(pipe: DiffusionPipeline, device: torch.device) -> None:
    """Moves everything but encoders, which `offload.Encoders` places, to the device."""
    for name, part in pipe.components.items():
        if name.startswith(OFFLOADED) or not isinstance(part, torch.nn.Module):
            continue
        if any(weight.device not in (device, _META) for weight in part.parameters()):
            part.to(device)
