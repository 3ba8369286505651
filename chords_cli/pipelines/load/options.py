"""Sets a loaded pipeline up: VAE options, adapters, LoRA, attention, compiled blocks.

All of it is diffusers' own; here is only the order, and what each may refuse.
"""

from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline
from safetensors import SafetensorError

from chords_cli.errors import ChordsError, UsageError
from chords_cli.pipelines.load.attention import set_attention
from chords_cli.pipelines.load.elsewhere import add_adapters
from chords_cli.pipelines.load.spec import (
    DENOISERS,
    TEXT_ENCODER,
    Arguments,
    ModelSpec,
    lora_part,
)

_SECOND = "transformer_2"


def tune(pipe: DiffusionPipeline, spec: ModelSpec) -> None:
    """Applies the options of `spec` to a loaded pipeline, as far as this core holds its parts.

    Raises:
        UsageError: A component has no such option.
        ChordsError: An adapter or a LoRA cannot be loaded.
    """
    for name, options in spec.components.items():
        if getattr(pipe, name, None) is not None:
            _set_vae_options(name, getattr(pipe, name), options)
    add_adapters(pipe, spec)
    _add_loras(pipe, spec)
    if spec.attention is not None:
        set_attention(pipe, spec.attention)
    if spec.compile is not None:
        _compile(pipe, spec.compile)


def _set_vae_options(name: str, part: Any, options: Arguments) -> None:
    for option in ("tiling", "slicing"):
        if not options.get(option):
            continue
        switch = getattr(part, f"enable_{option}", None)
        if switch is None:
            raise UsageError(
                f"components.{name}.{option} is true, but {type(part).__name__} has no {option}",
                f"remove {option} from the preset's components.{name}",
            )
        switch()


def _add_loras(pipe: DiffusionPipeline, spec: ModelSpec) -> None:
    if not spec.loras:
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise UsageError(f"{spec.pipeline} takes no LoRA", "leave out {loras}", {"loras": None})
    encodes = getattr(pipe, TEXT_ENCODER, None) is not None
    if not encodes:  # what belongs to text encoders has nowhere to go on this core
        pipe.load_lora_into_text_encoder = lambda *args, **kwargs: None
    scales = {}
    for number, (source, scale) in enumerate(spec.loras):
        name = f"lora-{number}"
        _add_lora(pipe, source, name)
        if any(name in names for names in pipe.get_list_adapters().values()):
            scales[name] = scale
        elif encodes:
            raise UsageError(
                f"LoRA {source} fits no part of {type(pipe).__name__}",
                "name one that was made for this model",
            )
    if scales:
        pipe.set_adapters(list(scales), list(scales.values()))


def _add_lora(pipe: DiffusionPipeline, source: str, name: str) -> None:
    file, part = Path(lora_part(source)[0]), lora_part(source)[1]
    if part and getattr(pipe, part, None) is None:
        raise UsageError(
            f"LoRA {file} is for {part}, which {type(pipe).__name__} has not here",
            "name one that was made for this model",
        )
    where: Arguments = {
        "weight_name": file.name,
        "local_files_only": True,
        "use_safetensors": True,
    }
    try:
        if part == _SECOND:
            _add_to_second(pipe, str(file.parent), name, where)
        else:
            pipe.load_lora_weights(str(file.parent), adapter_name=name, **where)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ChordsError(
            f"LoRA {file} could not be loaded into {type(pipe).__name__}: {reason}",
            "check that it was made for this model and is, or has, a safetensors file",
        ) from error


def _add_to_second(pipe: DiffusionPipeline, folder: str, name: str, where: Arguments) -> None:
    """Adds a LoRA to the second transformer, whichever of the two its tensors name."""
    tensors, metadata = pipe.lora_state_dict(folder, return_lora_metadata=True, **where)
    own = any(key.startswith(f"{_SECOND}.") for key in tensors)
    pipe.transformer_2.load_lora_adapter(
        tensors,
        prefix=_SECOND if own else DENOISERS[0],
        metadata=metadata,
        adapter_name=name,
        _pipeline=pipe,
    )


def _compile(pipe: DiffusionPipeline, arguments: Arguments) -> None:
    for name in DENOISERS:
        part = getattr(pipe, name, None)
        if part is None:
            continue
        if not getattr(part, "_repeated_blocks", None):
            raise UsageError(
                f"compile is set, but {type(part).__name__} names no repeated blocks to compile",
                "remove `compile` from the preset",
            )
        try:
            part.compile_repeated_blocks(**arguments)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"compile is not possible: {' '.join(str(error).split())[:300]}",
                "write arguments of torch.compile, such as `compile: {fullgraph: true}`",
            ) from error
