"""Finds a preset's model on this machine, or says which command fetches it."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from chords_cli.errors import UsageError
from chords_cli.hub import Weights, local_snapshot
from chords_cli.hub.repository import INDEX
from chords_cli.models.elsewhere.sources import Source, sources_of
from chords_cli.presets.files import find_preset
from chords_cli.presets.schema import Preset

SAVE_FIRST = "point the preset's path at a folder that `save_pretrained` wrote"
"""The hint for a preset whose folder holds no model."""

_PART = 1 << 20


def model_folder(preset: Preset) -> Path:
    """Returns the local folder of the preset's own weights.

    Raises:
        UsageError: They, or those that it takes from elsewhere, are not on this machine.
    """
    for source in sources_of(preset)[1:]:
        _folder_of(source, preset)
    return own_folder(preset)


def own_folder(preset: Preset) -> Path:
    """Returns the folder of the preset's own weights; those from elsewhere may be missing.

    Raises:
        UsageError: The preset's own weights are not on this machine.
    """
    return _folder_of(sources_of(preset)[0], preset)


def find_weights(preset: Preset, cache: Path | None = None) -> Weights:
    """Looks for all of the preset's model on this machine, without fetching it."""
    sources = sources_of(preset)
    found = [source.find(cache) for source in sources]
    size = sum(weights.bytes for weights in found)
    for source, weights in zip(sources, found, strict=True):
        if weights.state != "complete" and source is not sources[0]:
            lack = f"{source.name} is {_state(weights)}"
            return replace(found[0], state="partial", bytes=size, lack=lack, hint=weights.hint)
        if weights.state != "complete":
            return weights
    return replace(found[0], bytes=size)


def revision_here(preset: Preset) -> str:
    """Returns what tells the weights here from others: commits, or sums of the files in folders."""
    revisions = []
    for source in sources_of(preset):
        folder = _folder_of(source, preset)
        revisions.append(folder.name if source.repo else sum_of(source.files(folder)))
    return ", ".join(revisions)


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
    way = weights.hint or f"type `{download_command(preset)}`, or add --download to the run"
    return f"{preset.source} is {_state(weights)}; {way}"


def download_command(preset: Preset) -> str:
    """Returns the command that fetches the preset's model."""
    if _is_found_by_name(preset):
        return f"chords download {preset.name}"
    if len(sources_of(preset)) > 1:  # only the preset's file names them all
        return "chords download PRESET.yaml"
    options = {"--revision": preset.revision, "--variant": preset.variant}
    words = [f" {option} {value}" for option, value in options.items() if value]
    return f"chords download {preset.repo}{''.join(words)}"


def _folder_of(source: Source, preset: Preset) -> Path:
    """Returns the local folder of a source.

    Raises:
        UsageError: What is taken of it is not on this machine.
    """
    if source.repo is not None:
        command = download_command(preset)
        return local_snapshot(source.repo, source.revision, command, source.variant, source.pieces)
    assert source.path is not None, "a source is a repository or a folder"
    if source.pieces.of_pipeline and not (source.path / INDEX).is_file():
        raise UsageError(f"{source.path} holds no model: there is no {INDEX}", SAVE_FIRST)
    if not source.pieces.of_pipeline and (weights := source.find()).state != "complete":
        raise UsageError(
            f"{source.path} is {_state(weights)}", weights.hint or "correct its path in the preset"
        )
    return source.path


def _state(weights: Weights) -> str:
    """Says that weights are missing or incomplete."""
    if weights.lack:
        return f"not complete on this machine: {weights.lack}"
    return "not on this machine"


def _is_found_by_name(preset: Preset) -> bool:
    """Tells whether the preset's name leads to its model: a file may use another preset's name."""
    try:
        named = find_preset(preset.name)
    except UsageError:
        return False
    return sources_of(named) == sources_of(preset)
