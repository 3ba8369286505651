"""Lists what can be downloaded: presets with size and licence, and whether they are complete."""

import threading
from functools import partial
from pathlib import Path

from chords_cli.errors import ChordsError, UsageError
from chords_cli.hub.client import Hub
from chords_cli.hub.repository import UnloadableError, likely_json, needed_files
from chords_cli.models.weights import find_weights
from chords_cli.pipelines.load.spec import BYTES
from chords_cli.presets.files import PresetFile, available_presets, load_preset
from chords_cli.records.download import CatalogueEntry, UnreadablePreset
from chords_cli.runs.download.parallel import run_in_parallel


def catalogue(cache: Path | None = None) -> list[CatalogueEntry | UnreadablePreset]:
    """Returns an entry per preset that is a repository of the hub or cannot be read.

    Sizes come from the disk or else from the hub; if the hub does not answer, they are estimated
    from the preset's numbers of parameters.
    """
    entries = [entry for file in available_presets() if (entry := _describe(file, cache))]
    hub, stop = Hub(cache=cache), threading.Event()

    def ask_size(place: int, entry: CatalogueEntry) -> None:
        entries[place] = _with_size(hub, entry)

    tasks = [
        partial(ask_size, place, entry)
        for place, entry in enumerate(entries)
        if isinstance(entry, CatalogueEntry) and not entry.exact
    ]
    if tasks and not hub.offline:
        run_in_parallel(tasks, len(tasks), stop)
    return entries


def _describe(file: PresetFile, cache: Path | None) -> CatalogueEntry | UnreadablePreset | None:
    """Describes a preset; None if it is a local folder."""
    try:
        preset = load_preset(file.file)
    except UsageError as error:
        return UnreadablePreset(name=file.name, error=error.message)
    if not preset.repo:
        return None
    weights = find_weights(preset, cache)
    complete = weights.state == "complete"
    estimate = sum(preset.parameters.values()) * 1e9 * BYTES[preset.dtype]
    return CatalogueEntry(
        name=preset.name,
        title=preset.title,
        repo=preset.repo,
        revision=preset.revision,
        variant=preset.variant,
        state=weights.state,
        bytes=weights.bytes if complete else round(estimate) or None,
        exact=complete,
        license=preset.license.name,
        gated=preset.license.gated,
    )


def _with_size(hub: Hub, entry: CatalogueEntry) -> CatalogueEntry:
    """Replaces an estimate by the size that the hub lists; keeps it if the hub does not answer."""
    try:
        listing = hub.listing(entry.repo, entry.revision)
        read = partial(likely_json, listing.files)
        names = needed_files(listing.files, read, entry.variant)
    except (ChordsError, UnloadableError):
        return entry
    size = sum(listing.files[name].size for name in names)
    return entry.model_copy(update={"bytes": size, "exact": True})
