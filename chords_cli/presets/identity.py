"""What identifies the model of a preset: the keys that determine pixels."""

from typing import Any

from chords_cli.presets.schema import Preset

_NOT_OF_THE_MODEL = {
    *("name", "title", "kind", "license", "limits", "memory", "parameters", "prompts"),
    *("call", "dtype", "fps", "sampling", "seed"),
}
"""Keys that determine no pixel, and those that a record holds as the values that were used."""


def model_identity(preset: Preset) -> dict[str, Any]:
    """Returns which weights are loaded and how, without defaults.

    The device where text encoders wait determines no pixel. Of a local folder only the name is
    kept, because pictures are taken to other machines.
    """
    model = preset.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_OF_THE_MODEL
    )
    for part in model.get("components", {}).values():
        part.pop("offload", None)
    parts = {name: part for name, part in model.pop("components", {}).items() if part}
    model |= {"components": parts} if parts else {}
    return model if preset.path is None else {**model, "path": preset.path.name}
