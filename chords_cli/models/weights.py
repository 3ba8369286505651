"""Finds a preset's model on this machine, or says which command fetches it."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from chords_cli.errors import UsageError
from chords_cli.hub import Weights, find_folder, find_snapshot, local_snapshot
from chords_cli.hub.repository import INDEX, needed_files
from chords_cli.presets.files import find_preset
from chords_cli.presets.schema import Preset

SAVE_FIRST = "point the preset's path at a folder that `save_pretrained` wrote"
"""The hint for a preset whose folder holds no model."""

_PART = 1 << 20


def model_folder(preset: Preset) -> Path:
    """Returns the local folder of the preset's weights.

    Raises:
        UsageError: They are not on this machine.
    """
    if preset.path is None:
        assert preset.repo is not None, "a preset has a repo or a path"
        command = download_command(preset)
        return local_snapshot(preset.repo, preset.revision, command, preset.variant)
    if not (preset.path / INDEX).is_file():
        raise UsageError(f"{preset.path} holds no model: there is no {INDEX}", SAVE_FIRST)
    return preset.path


def find_weights(preset: Preset, cache: Path | None = None) -> Weights:
    """Looks for the preset's model in its folder or in the hub's cache, without fetching it."""
    if preset.path is not None:
        return find_folder(preset.path, preset.variant)
    return find_snapshot(str(preset.repo), preset.revision, cache, variant=preset.variant)


def revision_here(preset: Preset, folder: Path) -> str:
    """Returns what tells the weights in `folder` from others: the commit, or a sum of the files."""
    if preset.path is None:
        return folder.name
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    needed = needed_files(
        names, lambda name: json.loads((folder / name).read_text("utf-8")), preset.variant
    )
    return sum_of(folder / name for name in sorted(needed))


def sum_of(files: Iterable[Path]) -> str:
    """Returns a short sum of the files' sizes and of their first and last parts.

    Weights of many gigabytes are not read for it: others of the same size differ there, too.
    """
    total = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        total.update(str(size).encode())
        with path.open("rb") as file:
            total.update(file.read(_PART))
            file.seek(max(0, size - _PART))
            total.update(file.read(_PART))
    return total.hexdigest()[:12]


def missing_weights(preset: Preset) -> str | None:
    """Says that the preset's model is not on this machine and how to fetch it; None if it is."""
    weights = find_weights(preset)
    if weights.state == "complete":
        return None
    lack = (
        f"not complete on this machine: {weights.lack}" if weights.lack else "not on this machine"
    )
    way = weights.hint or f"type `{download_command(preset)}`, or add --download to the run"
    return f"{preset.source} is {lack}; {way}"


def download_command(preset: Preset) -> str:
    """Returns the command that fetches the preset's model."""
    if _is_found_by_name(preset):
        return f"chords download {preset.name}"
    options = {"--revision": preset.revision, "--variant": preset.variant}
    words = [f" {option} {value}" for option, value in options.items() if value]
    return f"chords download {preset.repo}{''.join(words)}"


def _is_found_by_name(preset: Preset) -> bool:
    """Tells whether the preset's name leads to its model: a file may use another preset's name."""
    try:
        named = find_preset(preset.name)
    except UsageError:
        return False
    wanted = (preset.repo, preset.revision, preset.variant)
    return (named.repo, named.revision, named.variant) == wanted
