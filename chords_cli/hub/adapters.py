"""Repositories of the hub that hold no whole model, such as a LoRA, as far as they are here."""

from pathlib import Path


def adapter_folder(repo: str) -> Path | None:
    """The folder of `repo` in the hub's cache; None where it was not fetched."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, local_files_only=True))
    except IncompleteSnapshotError as error:  # one file of it may be all that was wanted
        return Path(error.snapshot_path)
    except LocalEntryNotFoundError:
        return None
