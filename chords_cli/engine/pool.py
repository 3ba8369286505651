"""The pool: starts one worker a core, watches them all, hands out jobs, stops in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from chords_cli.engine.messages import Latent, ModelSpec
from chords_cli.events import Event
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolSettings:
    """What a pool is started with; `devices` has one entry a core."""

    model: ModelSpec
    devices: tuple[str, ...]
    decoders: frozenset[int]
    timeout: float = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SampledOutput:
    """One output of a job. `seconds` count from the job's start; `frames` is None undecoded."""

    index: int
    core: int
    round: int
    residual: float | None
    seconds: float
    latent: Latent
    frames: np.ndarray | None
    decode_seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """A finished job: its outputs in order of index, and which of them the stop rule chose."""

    outputs: tuple[SampledOutput, ...]
    chosen: int
    encode_seconds: float
    sample_seconds: float
    decode_seconds: float
    peak_memory: tuple[tuple[int | None, int], ...]


class Pool:
    """K workers that outlive a prompt; a context manager that never leaves a process behind."""

    def __init__(self, settings: PoolSettings, listener: Listener) -> None: ...

    def __enter__(self) -> "Pool":
        """Starts the workers and returns when all of them have loaded the model."""
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @property
    def components(self) -> tuple[tuple[str, ...], ...]:
        """Per core the names of the components that it loaded with weights."""
        raise NotImplementedError

    def sample(
        self,
        plan: Plan,
        call: dict[str, object],
        seed: int,
        stop: StopRule,
        *,
        keep: bool = False,
        on_output: Callable[[SampledOutput], None] | None = None,
    ) -> Sampled:
        """Runs one sample to the output that `stop` chooses; decodes it (all with `keep`).

        `on_output` gets every output that is decoded as soon as it is, from this thread.
        """
        raise NotImplementedError


def available_devices() -> tuple[str, ...]:
    """The devices of this machine that torch can use: its CUDA devices, else `cpu`."""
    raise NotImplementedError


def assign_devices(requested: Sequence[str], cores: int) -> tuple[str, ...]:
    """One device a core, round robin over `requested` (`available_devices` when empty).

    Raises:
        UsageError: A device that torch does not know or this machine does not have.
    """
    raise NotImplementedError
