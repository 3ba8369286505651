"""Makes presets for models that have none: repositories and folders, with their own defaults."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.hub import find_folder, find_snapshot, is_repository
from chords_cli.hub.repository import INDEX
from chords_cli.models.diffusers_source import FRAMES, PipelineClass, read_pipeline
from chords_cli.presets.call import GUIDANCE, SIZES
from chords_cli.presets.files import check_preset, find_preset, presets_of
from chords_cli.presets.schema import VIDEO_PACE, Preset

_STEPS = 50
"""How many steps a model takes whose pipeline does not say so."""


def find_model(name: str) -> Preset:
    """Finds the preset with that name or file, or makes one for that repository or folder.

    Raises:
        UsageError: The preset does not exist or is wrong, or the repository is not on this machine.
    """
    path = Path(name)
    if name and (path / INDEX).is_file():
        return _make_preset(name, path, {"path": str(path.resolve())})
    is_preset_file = path.is_file() or path.suffix in (".yaml", ".yml")
    if is_preset_file or "/" not in name or not is_repository(name):
        return find_preset(name)
    folder = find_snapshot(name, None).folder
    if folder is None or not (folder / INDEX).is_file():
        known = presets_of(name)[:1]
        raise UsageError(
            f"{name} is neither a preset file nor a repository on this machine",
            f"fetch it first: chords download {known[0]}, and use its preset: {{model}}"
            if known
            else f"fetch the repository first: chords download {name}",
            {"model": known[0]} if known else None,
        )
    return _make_preset(name, folder, {"repo": name})


def _make_preset(name: str, folder: Path, place: dict[str, str]) -> Preset:
    """Makes a preset for a model from its index and its pipeline's own defaults."""
    try:
        cls = str(json.loads((folder / INDEX).read_text(encoding="utf-8"))["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder / INDEX} names no pipeline ({error})", "name a model that diffusers saved"
        ) from error
    pipeline = read_pipeline(cls)
    if pipeline is None:
        raise UsageError(
            f"{name} has no preset, and what {cls} takes cannot be read from diffusers",
            "write a preset: chords presets demo-image > mine.yaml",
        )
    video = bool(FRAMES & pipeline.arguments.keys())
    slug = re.sub(r"[^a-z0-9.-]+", "-", Path(name).name.lower()).strip("-.") or "model"
    document = {
        "name": slug,
        "title": name,
        "kind": "video" if video else "image",
        **place,
        "variant": find_folder(folder).variant,
        "pipeline": cls,
        "call": dict(_default_call(pipeline)),
        **(VIDEO_PACE if video else {}),
    }
    return check_preset(document, name)


def _default_call(pipeline: PipelineClass) -> Iterator[tuple[str, Any]]:
    """Yields the arguments that options may change, each with the pipeline's default."""
    steps = pipeline.defaults.get("num_inference_steps")
    yield "num_inference_steps", steps if isinstance(steps, int) else _STEPS
    off = pipeline.defaults.get(GUIDANCE[0], 1.0) <= 1  # the other argument is the guidance
    for name in (*GUIDANCE[off:], *SIZES, "negative_prompt"):
        if name in pipeline.arguments and (value := pipeline.defaults.get(name)) is not None:
            yield name, value
