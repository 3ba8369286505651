"""Checks whether a model on this machine is, byte for byte, what the hub lists."""

from collections.abc import Callable
from functools import partial

from chords_cli.errors import ChordsError, UsageError
from chords_cli.hub.client import Hub
from chords_cli.hub.repository import Listing, RemoteFile, UnloadableError, needed_files
from chords_cli.hub.transfer import matches
from chords_cli.models.elsewhere.sources import Source, sources_of
from chords_cli.presets.schema import Preset
from chords_cli.records.download import VerifyRecord


def verify(preset: Preset, listener: Callable[[str, int], None]) -> VerifyRecord:
    """Hashes every file that a run opens and compares it with the hub's listing.

    Args:
        preset: The preset whose model is checked.
        listener: Called with the path and the size of a file before it is read.

    Raises:
        UsageError: The model is a local folder: there is nothing to compare it with.
        ChordsError: The hub cannot be asked.
    """
    if not preset.repo:
        raise UsageError(
            f"{preset.name} is a local folder, so there are no hashes to compare it with",
            "leave out {verify}",
            {"verify": True},
        )
    hub = Hub()
    own, *others = (source for source in sources_of(preset) if source.repo)
    listing, verdicts = _compare(hub, own, listener)
    for source in others:
        found = _compare(hub, source, listener)[1]
        verdicts |= {f"{source.repo}/{path}": verdict for path, verdict in found.items()}
    return VerifyRecord(
        repo=preset.repo,
        commit=listing.commit,
        folder=str(hub.snapshot(listing)),
        files=verdicts,
        intact=set(verdicts.values()) == {"intact"},
    )


def _compare(
    hub: Hub, source: Source, listener: Callable[[str, int], None]
) -> tuple[Listing, dict[str, str]]:
    """Returns what the hub lists of a source, and a verdict on each file that a run opens."""
    listing = hub.listing(source.name, source.revision)
    read = partial(hub.read_json, listing)
    try:
        names = needed_files(listing.files, read, source.variant, source.pieces)
    except UnloadableError as error:
        hint = error.hint or f"see {hub.endpoint}/{source.repo}"
        raise ChordsError(f"{source.repo}: {error}", hint) from error
    verdicts = {}
    for name in names:
        listener(name, listing.files[name].size)
        verdicts[name] = _verdict(hub, listing, listing.files[name])
    return listing, verdicts


def _verdict(hub: Hub, listing: Listing, file: RemoteFile) -> str:
    path = hub.snapshot(listing) / file.path
    if not path.is_file():
        return "missing"
    if path.stat().st_size != file.size:
        return f"{path.stat().st_size} bytes instead of {file.size}"
    return "intact" if matches(path, file.etag) else "damaged"
