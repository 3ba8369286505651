"""The Hugging Face hub and its cache. The only user of huggingface_hub."""

from chords_cli.hub.cache import Weights, find_snapshot, find_weights, local_snapshot

__all__ = ["Weights", "find_snapshot", "find_weights", "local_snapshot"]
