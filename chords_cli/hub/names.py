"""The hub's rules for names: of repositories, and of what a hub says that they hold."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def is_repository(name: str) -> bool:
    """Tells whether `name` could be a repository's, as in `owner/name`; it need not exist."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name


def strange_name(commit: str, hashes: Mapping[str, str]) -> str | None:
    """Returns a name that would lead out of the cache, or that no hub gives; None if all are fine.

    Args:
        commit: The name of a snapshot's folder.
        hashes: By the path of every file in it the name under which its content is kept.
    """
    if not _HASH.fullmatch(commit):
        return commit
    for path, name in hashes.items():
        parts = PurePosixPath(path).parts
        if "/".join(parts) != path or {"..", "/"} & {*parts} or "\0" in path or not path:
            return path
        if not _HASH.fullmatch(name):
            return name
    return None
