"""Checks that a model's components are here in full, and that the installed packages know them.

Only names, configurations and the headers of weights are read. Whether the preset fits the model is
not asked here, but in `models.fit`.
"""

import importlib.metadata
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError, verbatim
from chords_cli.media.latents import whole_size
from chords_cli.models.classes import knows_class
from chords_cli.models.elsewhere.sources import sources_of
from chords_cli.models.quantization import check_method, method_of
from chords_cli.models.weights import SAVE_FIRST, download_command
from chords_cli.pipelines.load.spec import PartSpec
from chords_cli.pipelines.load.weights import weight_files
from chords_cli.presets.schema import Preset

_OTHERS = "name a model whose components are classes of diffusers and transformers"

_LONG = 1 << 20
"""Bytes from which a JSON file is judged by its last character alone."""


def check_parts(preset: Preset, parts: Mapping[str, PartSpec]) -> None:
    """Accepts components that this machine can load.

    Args:
        preset: The model; a repository may still lack files, which fetching completes.
        parts: The components that a run loads, as far as they are here.

    Raises:
        UsageError: A class is not known, a file of a folder of the user's own is missing, a file
            was cut, or weights are quantized by a package that is not installed.
    """
    for name, part in parts.items():
        _check_class(name, part)
    if preset.path is not None:
        weights = sources_of(preset)[0].find()
        if weights.state != "complete":
            hint = weights.hint or f"copy what is missing, or {SAVE_FIRST}"
            raise UsageError(f"{preset.path} is not complete: {weights.lack}", hint)
    for name, part in parts.items():
        _check_size(preset, name, Path(part.folder))
        _check_texts(preset, name, Path(part.folder))
        method = method_of(read_config(Path(part.folder)))
        if method is not None:
            what = f"component {name} is quantized with {method}"
            check_method(method, what, "name a model that is not quantized")


def _check_class(name: str, part: PartSpec) -> None:
    """Refuses a class of the model's own code or another library, and one that is not known."""
    library, cls = part.library, part.cls
    code = f"{name}/{library}.py"
    if Path(part.folder, f"{library}.py").is_file():
        raise UsageError(
            f"component {name} has the class {cls} of the model's own code, {code}, which is never "
            "run",
            _OTHERS,
        )
    known = knows_class(library, cls)
    if known is None:
        raise UsageError(
            f"component {name} has the class {cls} of {verbatim(library)}, whose code is never run",
            _OTHERS,
        )
    if not known:
        package = "transformers" if library == "transformers" else "diffusers"
        version = importlib.metadata.version(package)
        raise UsageError(
            f"component {name} has the class {cls}, which {package} {version} does not know",
            f"upgrade {package}, or {_OTHERS}",
        )


def _check_size(preset: Preset, name: str, folder: Path) -> None:
    """Refuses a file of weights that is shorter or longer than its header says."""
    for file in weight_files(folder, preset.variant):
        try:
            whole, size = whole_size(file), file.stat().st_size
        except OSError:  # a core reports why it cannot be read
            continue
        except ValueError:
            whole, size = 0, -1
        if size != whole:
            reason = f"has {size} bytes instead of {whole}" if whole else "has no header"
            message = f"{name}/{file.name} of {preset.source_of(name)} {reason}"
            raise UsageError(message, _again(preset))


def _check_texts(preset: Preset, name: str, folder: Path) -> None:
    """Refuses a configuration or vocabulary that was cut or damaged."""
    for file in sorted(folder.glob("*.json")):
        with suppress(OSError):  # a core reports why it cannot be read
            if not _is_whole(file.read_bytes()):
                raise UsageError(
                    f"{name}/{file.name} of {preset.source_of(name)} is damaged: it is no JSON",
                    _again(preset),
                )


def _is_whole(text: bytes) -> bool:
    if len(text) > _LONG:  # a vocabulary
        return text.rstrip()[-1:] in (b"}", b"]")
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _again(preset: Preset) -> str:
    return "copy or save it again" if preset.path else f"{download_command(preset)} --force"


def read_config(folder: Path) -> dict[str, Any]:
    """Returns a component's config.json; empty where there is none that can be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
