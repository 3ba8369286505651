"""Finds and checks the weights of a run's LoRAs before anything slow starts.

A LoRA is a safetensors file, a folder that holds one, or a repository that was fetched from the
hub. Cores load from disk only, so a run uses local files and records the names as they were given.

Some models (Wan2.2) have two transformers: one for the noisy steps, another for the others. A LoRA
is for one of them. Which one, its source, its tensors or its name have to tell.
"""

import importlib.util
import math
import re
from collections.abc import Collection, Sequence
from os.path import isdir, isfile
from pathlib import Path

from chords_cli.errors import UsageError, verbatim
from chords_cli.hub import adapter_folder, is_repository
from chords_cli.media.latents import read_header
from chords_cli.pipelines.load.spec import lora_part
from chords_cli.presets.paths import from_user

_STANDARD = "pytorch_lora_weights.safetensors"
"""The name of the file in which diffusers saves a LoRA."""


_FIRST, _SECOND = "transformer", "transformer_2"

_NOISE = re.compile(r"(high|low)[-_ ]?noise|(?<![a-z])(high|low)(?![a-z])")
"""How files of Wan2.2 tell the steps that they are for."""

_BY_NOISE = {"high": _FIRST, "low": _SECOND}


def check_loras(
    loras: Sequence[tuple[str, float]], parts: Collection[str] | None = None
) -> tuple[tuple[str, float], ...]:
    """Checks that LoRAs are on this machine, contain weights and have finite scales; returns them.

    Args:
        loras: Sources and scales.
        parts: The denoisers that the model has; None as long as they are not known.

    Raises:
        UsageError: A LoRA is missing or wrong, or does not say which part of the model it is for,
            or the package that applies LoRAs is not installed.
    """
    if loras and importlib.util.find_spec("peft") is None:
        raise UsageError(
            "{loras} needs peft, which is not installed",
            'pip install "chords-cli[lora]"',
            {"loras": None},
        )
    for source, scale in loras:
        if not math.isfinite(scale):
            raise UsageError(
                f"the scale of LoRA {verbatim(source)} is {scale:g}, but must be a finite number",
                "try {loras}",
                {"loras": f"{source}=1.0"},
            )
        lora_files(source, parts)
    return tuple(loras)


def lora_files(source: str, parts: Collection[str] | None = None) -> tuple[str, ...]:
    """Returns the files of a LoRA, each with the part that it is for where the model has several.

    Args:
        source: A file, a folder or a repository, with `@` and a part if that is needed.
        parts: The denoisers that the model has; None as long as they are not known.

    Raises:
        UsageError: This machine does not have the file, no model could load it, or it is for a part
            that the model does not have or for one that nothing tells.
    """
    name, wanted = lora_part(source)
    pair = _noise_pair(name) if parts is None or _SECOND in parts else {}
    if pair and (wanted is None or wanted in pair):
        for file in pair.values():
            _read_keys(name, file)
        return tuple(f"{file}@{part}" for part, file in pair.items() if wanted in (None, part))
    file = lora_file(name)
    found = _parts_of(name, file, wanted, parts)
    return tuple(f"{file}@{part}" for part in found) or (str(file),)


def _parts_of(
    name: str, file: Path, wanted: str | None, parts: Collection[str] | None
) -> tuple[str, ...]:
    """Returns the denoisers that a file is for; none where the model leaves no choice."""
    keys = _read_keys(name, file)
    named = [part for part in (_FIRST, _SECOND) if any(key.startswith(f"{part}.") for key in keys)]
    asked = (wanted,) if wanted else tuple(named) if _SECOND in named else ()
    for part in asked:
        if parts is not None and part not in parts:
            raise UsageError(
                f"LoRA {verbatim(name)} is for {part}, but the model has only "
                f"{', '.join(sorted(parts))}",
                "name one that was made for this model",
            )
        if _SECOND in named and part not in named:
            raise UsageError(
                f"LoRA {verbatim(name)} holds nothing for {part}, only for {', '.join(named)}",
                "try {loras}",
                {"loras": name},
            )
    if asked or parts is None or _SECOND not in parts:
        return asked
    if told := _told_by_name(file):
        return (told,)
    raise UsageError(
        f"LoRA {verbatim(name)} does not tell which of the model's two transformers it is for",
        "use {loras}; the second one takes the steps with less noise",
        {"loras": [f"{name}@{_FIRST}", f"{name}@{_SECOND}"]},
    )


def _noise_pair(name: str) -> dict[str, Path]:
    """Returns the two files of a folder that holds a LoRA for each transformer, by transformer."""
    path = from_user(name)
    folder = path if name and isdir(path) else is_repository(name) and adapter_folder(name)  # noqa: PTH112
    files = sorted(folder.glob("*.safetensors")) if folder else []
    told = {part: file.absolute() for file in files if (part := _told_by_name(file))}
    return dict(sorted(told.items())) if len(files) == len(told) == len(_BY_NOISE) else {}


def _told_by_name(file: Path) -> str | None:
    """Returns the transformer that a file, or else its folder, is for by its name."""
    for text in (file.stem.lower(), file.parent.name.lower()):
        found = {word for match in _NOISE.finditer(text) for word in match.groups() if word}
        if len(found) == 1:
            return _BY_NOISE[found.pop()]
    return None


def lora_file(source: str) -> Path:
    """Returns the safetensors file of a LoRA.

    Args:
        source: A file, a folder or a repository.

    Raises:
        UsageError: This machine does not have the file, or there are several.
    """
    path = from_user(source)
    if isfile(path):  # noqa: PTH113 - Path.is_file raises when a name is too long
        if path.suffix != ".safetensors":
            raise UsageError(
                f"LoRA {path} is not a safetensors file", "name a file that ends in .safetensors"
            )
        return path.absolute()  # a cache of the hub has links to files without a suffix
    if source and isdir(path):  # noqa: PTH112 - so does Path.is_dir
        return _only_file(path, source)
    if not is_repository(source) or path.suffix == ".safetensors":
        raise UsageError(
            f"LoRA {source or repr(source)} does not exist",
            "name a .safetensors file, a folder or a repository",
        )
    folder = adapter_folder(source)
    if folder is None:
        raise UsageError(
            f"LoRA {source} is not on this machine", f"fetch it first: hf download {source}"
        )
    return _only_file(folder, source)


def _read_keys(source: str, file: Path) -> set[str]:
    """Returns the names of a file's tensors; refuses one that no model could load."""
    try:
        tensors = {key for key in read_header(file) if key != "__metadata__"}
    except OSError as error:
        raise UsageError(
            f"LoRA {source} cannot be read: {error.strerror}", "name a file that you may read"
        ) from error
    except ValueError as error:
        reason = "has no safetensors header" if file.stat().st_size else "is empty"
        raise UsageError(
            f"LoRA {source} {reason}", "fetch it again, or save it as safetensors"
        ) from error
    if not tensors:
        raise UsageError(f"LoRA {source} holds no tensors", "name one that was trained")
    return tensors


def _only_file(folder: Path, source: str) -> Path:
    """Returns the only LoRA in a folder, or if there are several the one that diffusers saved."""
    files = sorted(folder.glob("*.safetensors"))
    standard = [file for file in files if file.name == _STANDARD]
    if len(standard or files) == 1:
        return (standard or files)[0].absolute()
    if not files:
        raise UsageError(
            f"LoRA {verbatim(source)} holds no safetensors file", "name a .safetensors file of it"
        )
    names = ", ".join(file.name for file in files[:5])
    raise UsageError(
        f"LoRA {verbatim(source)} holds {len(files)} safetensors files: {verbatim(names)}",
        "name one of them: {loras}",
        {"loras": str(folder / files[0].name)},
    )
