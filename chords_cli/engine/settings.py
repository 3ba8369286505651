"""What a pool is started with, as plain data."""

from dataclasses import dataclass

from chords_cli.engine.start import DEFAULT_TIMEOUT
from chords_cli.pipelines.load.spec import ModelSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolSettings:
    """What a pool is started with.

    Attributes:
        model: What every core loads.
        devices: One entry per process, as torch writes them; those of a group side by side, and in
            it those of a core.
        decoders: The cores that may be asked for pictures; the others load no VAE weights.
        timeout: Seconds that a core waits for a neighbour, and the pool for a sign of life, before
            giving up.
        members: How many processes a core has.
        contexts: How many of them compute an answer of the model together.
        groups: How many samples are made at a time, each by cores of its own.
    """

    model: ModelSpec
    devices: tuple[str, ...]
    decoders: frozenset[int]
    timeout: float = DEFAULT_TIMEOUT
    members: int = 1
    contexts: int = 1
    groups: int = 1
