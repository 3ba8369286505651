"""Models as far as they lie on this disk. The only user of huggingface_hub."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chords_cli.errors import UsageError
from chords_cli.preset_schema import Preset


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's files on this machine.

    Attributes:
        state: `partial` when a component that `model_index.json` names has no folder.
        folder: Where they lie; None when absent from the hub's cache.
        bytes: What is there now.
    """

    state: Literal["complete", "partial", "absent"]
    folder: Path | None
    bytes: int


def find_weights(preset: Preset) -> Weights:
    """Looks for the preset's model in its folder or in the hub's cache; downloads nothing."""
    folder = preset.path or _cached(str(preset.repo), preset.revision)
    if folder is None or not (folder / "model_index.json").is_file():
        return Weights("absent", folder, 0)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    complete = all((folder / name).is_dir() for name in _components(folder))
    return Weights("complete" if complete else "partial", folder, size)


def local_snapshot(repo: str, revision: str | None) -> Path:
    """The folder of `repo` in the cache; nothing is downloaded.

    Raises:
        UsageError: It is not there.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        at = f" --revision {revision}" if revision else ""
        raise UsageError(
            f"{repo} is not on this machine", f"fetch it first: hf download {repo}{at}"
        ) from error


def _cached(repo: str, revision: str | None) -> Path | None:
    try:
        return local_snapshot(repo, revision)
    except UsageError:
        return None


def _components(folder: Path) -> list[str]:
    """The components of a pipeline: entries `[library, class]` that are not null."""
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    entries = {name: entry for name, entry in index.items() if isinstance(entry, list)}
    return [name for name, entry in entries.items() if entry and entry[0] is not None]
