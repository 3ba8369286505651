"""Where a preset's model is on this machine, and what to type where it is not there."""

from pathlib import Path

from chords_cli.errors import UsageError
from chords_cli.hub import Weights, find_folder, find_snapshot, local_snapshot
from chords_cli.hub.repository import INDEX
from chords_cli.presets.files import find_preset
from chords_cli.presets.schema import Preset

SAVED = "point the preset's path at a folder that `save_pretrained` wrote"
"""What to do about a preset whose folder holds no model."""


def model_folder(preset: Preset) -> Path:
    """The local folder of the preset's weights.

    Raises:
        UsageError: They are not on this machine.
    """
    if preset.path is None:
        assert preset.repo is not None, "a preset has a repo or a path"
        return local_snapshot(preset.repo, preset.revision, download_command(preset))
    if not (preset.path / INDEX).is_file():
        raise UsageError(f"{preset.path} holds no model: there is no {INDEX}", SAVED)
    return preset.path


def find_weights(preset: Preset, cache: Path | None = None) -> Weights:
    """Looks for the preset's model in its folder or in the hub's cache; downloads nothing."""
    if preset.path is not None:
        return find_folder(preset.path)
    return find_snapshot(str(preset.repo), preset.revision, cache)


def download_command(preset: Preset) -> str:
    """What to type to have the preset's model on this machine."""
    if _finds(preset):
        return f"chords download {preset.name}"
    revision = f" --revision {preset.revision}" if preset.revision else ""
    return f"chords download {preset.repo}{revision}"


def _finds(preset: Preset) -> bool:
    """Whether its name alone leads to its model; a file elsewhere may bear a name that is taken."""
    try:
        named = find_preset(preset.name)
    except UsageError:
        return False
    return (named.repo, named.revision) == (preset.repo, preset.revision)
