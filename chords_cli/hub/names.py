"""The hub's rule for the names of repositories."""


def is_repository(name: str) -> bool:
    """Tells whether `name` could be a repository's, as in `owner/name`; it need not exist."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name
