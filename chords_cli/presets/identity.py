"""What of a preset identifies its model: the keys that decide pixels, other ones left out."""

from typing import Any

from chords_cli.presets.schema import Preset

_NOT_OF_THE_MODEL = {
    *("name", "title", "kind", "license", "limits", "memory", "parameters", "prompts"),
    *("call", "dtype", "fps", "sampling", "seed"),
}
"""Keys that decide no pixel, and those that a record holds as resolved."""


def model_identity(preset: Preset) -> dict[str, Any]:
    """Returns the weights and how they are loaded, where the preset says more than its defaults.

    Where text encoders wait decides no pixel. Of a local folder only the name: pictures travel.
    """
    said = preset.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_OF_THE_MODEL
    )
    for part in said.get("components", {}).values():
        part.pop("offload", None)
    parts = {name: part for name, part in said.pop("components", {}).items() if part}
    said |= {"components": parts} if parts else {}
    return said if preset.path is None else {**said, "path": preset.path.name}
