"""The hub's rule for what a repository is called."""


def is_repository(name: str) -> bool:
    """Whether `name` is `owner/name` as the hub allows it; says nothing of whether it exists."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name
