"""Lists what can be downloaded: presets with size and licence, and whether they are complete."""

import threading
from functools import partial
from pathlib import Path

from chords_cli.errors import ChordsError, UsageError
from chords_cli.hub.client import Hub
from chords_cli.hub.repository import UnloadableError, likely_json, needed_files
from chords_cli.models.elsewhere.sources import Source, sources_of
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
    described = [found for file in available_presets() if (found := _describe(file, cache))]
    entries = [entry for entry, _ in described]
    hub, stop = Hub(cache=cache), threading.Event()

    def ask_size(place: int, entry: CatalogueEntry) -> None:
        entries[place] = _with_size(hub, entry, described[place][1])

    tasks = [
        partial(ask_size, place, entry)
        for place, entry in enumerate(entries)
        if isinstance(entry, CatalogueEntry) and not entry.exact
    ]
    if tasks and not hub.offline:
        run_in_parallel(tasks, len(tasks), stop)
    return entries


def _describe(
    file: PresetFile, cache: Path | None
) -> tuple[CatalogueEntry | UnreadablePreset, tuple[Source, ...]] | None:
    """Describes a preset, and where it comes from; None if it is a local folder."""
    try:
        preset = load_preset(file.file)
    except UsageError as error:
        return UnreadablePreset(name=file.name, error=error.message), ()
    if not preset.repo:
        return None
    weights, sources = find_weights(preset, cache), sources_of(preset)
    complete = weights.state == "complete"
    estimate = sum(preset.parameters.values()) * 1e9 * BYTES[preset.dtype]
    entry = CatalogueEntry(
        name=preset.name,
        title=preset.title,
        repo=preset.repo,
        revision=preset.revision,
        variant=preset.variant,
        state=weights.state,
        bytes=weights.bytes if complete else round(estimate) or None,
        exact=complete,
        others=tuple(source.repo for source in sources[1:] if source.repo),
        license=preset.license.name,
        gated=preset.license.gated,
    )
    return entry, sources


def _with_size(hub: Hub, entry: CatalogueEntry, sources: tuple[Source, ...]) -> CatalogueEntry:
    """Replaces an estimate by the size that the hub lists; keeps it if the hub does not answer."""
    size = 0
    for source in (one for one in sources if one.repo):
        try:
            listing = hub.listing(source.name, source.revision)
            read = partial(likely_json, listing.files)
            names = needed_files(listing.files, read, source.variant, source.pieces)
        except (ChordsError, UnloadableError):
            return entry
        size += sum(listing.files[name].size for name in names)
    return entry.model_copy(update={"bytes": size, "exact": True})
