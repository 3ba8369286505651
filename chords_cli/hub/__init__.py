"""The Hugging Face hub and its cache. The only user of huggingface_hub."""

from chords_cli.hub.adapters import adapter_folder
from chords_cli.hub.cache import Weights, find_folder, find_snapshot, local_snapshot
from chords_cli.hub.names import is_repository

__all__ = [
    "Weights",
    "adapter_folder",
    "find_folder",
    "find_snapshot",
    "is_repository",
    "local_snapshot",
]
