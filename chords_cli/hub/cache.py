"""Which of the hub's models are on this disk, and how much of them."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chords_cli.errors import UsageError
from chords_cli.hub.repository import ALL, Pieces, UnloadableError, needed_files


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's files on this machine.

    Attributes:
        state: `partial` if something that a run opens is missing.
        folder: Where they are; None if the hub's cache has no snapshot of the model.
        bytes: The size of all files that a run opens; for a partial model, of what has arrived.
        lack: What a partial model lacks, in words.
        hint: What to do about it, where fetching the rest would not help.
        variant: The variant of the weights that a model without plain ones has.
    """

    state: Literal["complete", "partial", "absent"]
    folder: Path | None
    bytes: int
    lack: str = ""
    hint: str = ""
    variant: str | None = None


def find_folder(folder: Path, variant: str | None = None, pieces: Pieces = ALL) -> Weights:
    """Looks for the files that a run opens in one of the user's own folders."""
    return _check_files(folder, _names_in(folder), folder, variant, pieces)


def find_snapshot(
    repo: str,
    revision: str | None,
    cache: Path | None = None,
    *,
    variant: str | None = None,
    pieces: Pieces = ALL,
) -> Weights:
    """Looks for a repository's snapshot in the cache; downloads nothing.

    `variant` is that of the weights, and `pieces` are what is taken, as in `needed_files`.
    """
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import (
        CachedRepoTreeNotFoundError,
        IncompleteSnapshotError,
        LocalEntryNotFoundError,
    )

    folder: Path | None = None
    try:
        found = snapshot_download(repo, revision=revision, cache_dir=cache, local_files_only=True)
        folder = Path(found)
    except IncompleteSnapshotError as error:
        folder = Path(error.snapshot_path)
    except LocalEntryNotFoundError:
        return _check_files(None, [], storage(repo, cache) / "blobs", variant, pieces)
    try:
        tree = get_cached_repo_tree(repo, revision=revision, cache_dir=cache)
        names = [file.path for file in tree]
    except CachedRepoTreeNotFoundError:
        names = _names_in(folder)
    return _check_files(folder, names, storage(repo, cache) / "blobs", variant, pieces)


def local_snapshot(
    repo: str,
    revision: str | None,
    command: str,
    variant: str | None = None,
    pieces: Pieces = ALL,
) -> Path:
    """Returns the folder of `repo` in the cache if it is complete; downloads nothing.

    Args:
        repo: Its name on the hub.
        revision: None for the main branch.
        command: The command that fetches it, for the hint of an error.
        variant: That of its weights.
        pieces: What is taken of it.

    Raises:
        UsageError: Some or all of it is missing.
    """
    weights = find_snapshot(repo, revision, variant=variant, pieces=pieces)
    if weights.state == "complete" and weights.folder:
        return weights.folder
    if weights.state == "absent":
        hint = f"fetch it first: {command}, or add {{download}}"
        raise UsageError(f"{repo} is not on this machine", hint, {"download": True})
    hint = weights.hint or f"complete it: {command}, or add {{download}}"
    message = f"{repo} is not complete on this machine: {weights.lack}"
    raise UsageError(message, hint, {"download": True})


def adapter_folder(repo: str) -> Path | None:
    """Returns the folder in the cache of a `repo` that is no complete model, such as a LoRA.

    None if nothing of it was ever fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, local_files_only=True))
    except IncompleteSnapshotError as error:  # the user may have fetched only one file of it
        return Path(error.snapshot_path)
    except LocalEntryNotFoundError:
        return None


def storage(repo: str, cache: Path | None = None) -> Path:
    """Returns the folder of the cache that holds everything of `repo`."""
    from huggingface_hub.file_download import repo_folder_name

    return cache_folder(cache) / repo_folder_name(repo_id=repo, repo_type="model")


def cache_folder(cache: Path | None = None) -> Path:
    """Returns the hub's cache: `cache`, or the one that HF_HUB_CACHE or HF_HOME name."""
    from huggingface_hub import constants

    return Path(cache or constants.HF_HUB_CACHE).expanduser().absolute()


def _check_files(
    folder: Path | None,
    names: Collection[str],
    store: Path,
    variant: str | None,
    pieces: Pieces,
) -> Weights:
    """Checks which of the files that a run opens are present; `store` holds a partial model."""
    held = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    if folder is None:
        lack = "its download was cut" if held else ""
        return Weights("partial" if held else "absent", None, held, lack)
    try:
        needed = needed_files(
            names, lambda name: json.loads((folder / name).read_text("utf-8")), variant, pieces
        )
    except FileNotFoundError as error:
        return Weights("partial", folder, held, f"{error.filename} is missing")
    except UnloadableError as error:
        return Weights("partial", folder, held, str(error), error.hint, error.variant)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Weights("partial", folder, held, f"a file cannot be read ({error})")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        return Weights("partial", folder, held, f"{missing[0]} is missing{more}")
    return Weights("complete", folder, sum((folder / name).stat().st_size for name in needed))


def _names_in(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.relative_to(folder).as_posix() for path in files]
