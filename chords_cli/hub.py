"""The Hugging Face hub, as far as it lies on this disk. The only user of huggingface_hub."""

from pathlib import Path

from chords_cli.errors import UsageError


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
