"""Where a preset's model is on this machine, and whether the preset fits it, loading nothing."""

from pathlib import Path

from chords_cli.errors import UsageError
from chords_cli.hub import local_snapshot
from chords_cli.hub.repository import INDEX
from chords_cli.preset_schema import Preset
from chords_cli.runs.targets import download_command


def model_folder(preset: Preset) -> Path:
    """The local folder of the preset's weights.

    Raises:
        UsageError: They are not on this machine.
    """
    if preset.path is None:
        assert preset.repo is not None, "a preset has a repo or a path"
        return local_snapshot(preset.repo, preset.revision, download_command(preset))
    if not (preset.path / INDEX).is_file():
        raise UsageError(
            f"{preset.path} holds no model: there is no {INDEX}",
            "point the preset's path at a folder that `save_pretrained` wrote",
        )
    return preset.path


def check_model(preset: Preset) -> None:
    """Accepts a preset whose model it can be, as far as that can be told before it is loaded.

    A repository of the hub may not be here yet; its folder is asked for when the run begins.

    Raises:
        UsageError: The preset's folder holds no model.
    """
    if preset.path is not None:
        model_folder(preset)
