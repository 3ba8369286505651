"""Finds and checks the weights of a run's LoRAs before anything slow starts.

A LoRA is a safetensors file, a folder that holds one, or a repository that was fetched from the
hub. Cores load from disk only, so a run uses local files and records the names as they were given.
"""

import importlib.util
import math
from collections.abc import Sequence
from os.path import isdir, isfile
from pathlib import Path

from chords_cli.errors import UsageError
from chords_cli.hub import adapter_folder, is_repository
from chords_cli.media.latents import read_header

_STANDARD = "pytorch_lora_weights.safetensors"
"""The name of the file in which diffusers saves a LoRA."""


def check_loras(loras: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Checks that LoRAs are on this machine, contain weights and have finite scales; returns them.

    Raises:
        UsageError: A LoRA is missing or wrong, or the package that applies LoRAs is not installed.
    """
    if loras and importlib.util.find_spec("peft") is None:
        raise UsageError(
            "{loras} needs peft, which is not installed",
            'pip install "chords-cli[lora]"',
            {"loras": None},
        )
    for source, scale in loras:
        file = lora_file(source)
        if not math.isfinite(scale):
            raise UsageError(
                f"the scale of LoRA {source} is {scale:g}, but must be a finite number",
                "try {loras}",
                {"loras": f"{source}=1.0"},
            )
        _check_header(source, file)
    return tuple(loras)


def lora_file(source: str) -> Path:
    """Returns the safetensors file of a LoRA.

    Args:
        source: A file, a folder or a repository.

    Raises:
        UsageError: This machine does not have the file, or there are several.
    """
    path = Path(source).expanduser()
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


def _check_header(source: str, file: Path) -> None:
    """Refuses a file that no model could load: empty, cut off, or of another format."""
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


def _only_file(folder: Path, source: str) -> Path:
    """Returns the only LoRA in a folder, or if there are several the one that diffusers saved."""
    files = sorted(folder.glob("*.safetensors"))
    standard = [file for file in files if file.name == _STANDARD]
    if len(standard or files) == 1:
        return (standard or files)[0].absolute()
    if not files:
        raise UsageError(
            f"LoRA {source} holds no safetensors file", "name a .safetensors file of it"
        )
    names = ", ".join(file.name for file in files[:5])
    raise UsageError(
        f"LoRA {source} holds {len(files)} safetensors files: {names}",
        "name one of them: {loras}",
        {"loras": str(folder / files[0].name)},
    )
