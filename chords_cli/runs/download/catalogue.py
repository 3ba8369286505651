"""What can be downloaded: every preset with its size, its licence and what of it is there."""

import threading
from functools import partial
from pathlib import Path
from typing import Any

from chords_cli.errors import ChordsError, UsageError
from chords_cli.hub.client import Hub
from chords_cli.hub.repository import UnloadableError, likely_json, needed_files
from chords_cli.models.weights import find_weights
from chords_cli.pipelines.load.spec import BYTES
from chords_cli.presets.files import PresetFile, available_presets, load_preset
from chords_cli.runs.download.parallel import run_in_parallel


def catalogue(cache: Path | None = None) -> list[dict[str, Any]]:
    """A row per preset that is a repository of the hub.

    Sizes come from the disk or else from the hub; where that does not answer they are estimated
    from the preset's numbers of parameters, and `exact` is false. A preset that cannot be read has
    a row with its `error` and nothing else.
    """
    rows = [row for file in available_presets() if (row := _row(file, cache))]
    hub = Hub(cache=cache)
    open_questions = [row for row in rows if not row.get("exact", True)]
    if not hub.offline and open_questions:
        tasks = [partial(_ask_size, hub, row) for row in open_questions]
        run_in_parallel(tasks, len(tasks), threading.Event())
    return rows


def _row(file: PresetFile, cache: Path | None) -> dict[str, Any] | None:
    """A preset's row; None when it is a local folder."""
    try:
        preset = load_preset(file.file)
    except UsageError as error:
        return {"name": file.name, "error": error.message}
    if not preset.repo:
        return None
    weights = find_weights(preset, cache)
    complete = weights.state == "complete"
    estimate = sum(preset.parameters.values()) * 1e9 * BYTES[preset.dtype]
    return {
        "name": preset.name,
        "title": preset.title,
        "repo": preset.repo,
        "revision": preset.revision,
        "state": weights.state,
        "bytes": weights.bytes if complete else round(estimate) or None,
        "exact": complete,
        "license": preset.license.name,
        "gated": preset.license.gated,
    }


def _ask_size(hub: Hub, row: dict[str, Any]) -> None:
    """Replaces an estimate by what the hub lists; keeps it when that cannot be had."""
    try:
        listing = hub.listing(row["repo"], row["revision"])
        names = needed_files(listing.files, partial(likely_json, listing.files))
    except (ChordsError, UnloadableError):
        return
    row["bytes"] = sum(listing.files[name].size for name in names)
    row["exact"] = True
