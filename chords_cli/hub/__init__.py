"""The Hugging Face hub and its cache; nothing else imports huggingface_hub.

Nothing here knows presets: a model is a repository and a revision.
"""

from chords_cli.hub.cache import Weights, adapter_folder, find_folder, find_snapshot, local_snapshot
from chords_cli.hub.names import is_repository

__all__ = [
    "Weights",
    "adapter_folder",
    "find_folder",
    "find_snapshot",
    "is_repository",
    "local_snapshot",
]
