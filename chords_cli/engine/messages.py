"""What travels on the pipes between the pool and its workers: frozen, typed, picklable.

The pool sends `Compile`, `Job`, `Decode`, `Cancel`, `Finish` and `Quit`; a worker answers with
events (`chords_cli.events`) and with `Landed`, `Decoded`, `Finished` and `Failed`, and says by
itself that it is `Alive`.
"""

from dataclasses import dataclass, field
from socket import socket

import numpy as np

from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.spec import Arguments, ModelSpec
from chords_cli.sampler.plan import Plan


class LostNeighbourError(ChordsError):
    """The other end of a line is gone: the cause is most likely that core's own end."""


class WaitedInVainError(ChordsError):
    """The other end of a line sent nothing for too long: perhaps another one keeps it waiting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSpec:
    """Everything that a worker gets when it starts.

    Member 0 of a core leads; the others help it on devices of their own (`engine.members`). The
    cores of a group make samples of their own: `core`, `cores` and `rank` count inside it.

    Attributes:
        rendezvous: The file by which processes find one another; on several hosts the address and
            the port of a store of torch.
        host: Where it runs if there are several hosts, such as `node1`.
        interface: By which it meets processes of other hosts.
        listening: What that store listens on, in the process that has it.
        key: Which the pool's processes alone know, and with which they seal what is pickled.
    """

    core: int
    cores: int
    device: str
    threads: int
    model: ModelSpec
    decodes: bool
    rendezvous: str
    timeout: float
    log: str
    member: int = 0
    members: int = 1
    contexts: int = 1
    group: int = 0
    host: str = ""
    interface: str = ""
    listening: socket | None = None
    key: bytes = field(default=b"", repr=False)

    @property
    def place(self) -> str:
        """The device, with its host if there are several: `node1:cuda:0`."""
        return f"{self.host}:{self.device}" if self.host else self.device

    @property
    def branch(self) -> int:
        """Which half of guidance this member computes where it is split; else 0."""
        return self.member // self.contexts

    @property
    def rank(self) -> int:
        """Which of its group's processes this is; the members of a core stand side by side."""
        return self.core * self.members + self.member

    @property
    def first(self) -> int:
        """Which of the pool's processes is the first one of its group."""
        return self.group * self.cores * self.members

    @property
    def process(self) -> int:
        """Which of the pool's processes this is."""
        return self.first + self.rank

    @property
    def name(self) -> str:
        """What users read of it: they count the cores of all groups."""
        return name_of(self.process, self.members)


def name_of(rank: int, members: int) -> str:
    """Returns `core 2`, or `core 2's helper`, for a process of a pool with so many a core.

    Further helpers have numbers.
    """
    core, member = divmod(rank, members)
    number = f" {member}" if member > 1 else ""
    return f"core {core}'s helper{number}" if member else f"core {core}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One sample, made by the first cores of the pool: as many as the plan has.

    Attributes:
        number: Unique in the pool's life, increasing.
        plan: Which core computes what, and when.
        call: The keyword arguments of the pipeline's `__call__`, prompt included; without
            generator, output type and latents.
        seed: Of the noise, which every core draws for itself.
        threads: How many each core computes with on the host: as in a pool of the plan's size, so
            that idle cores change neither bits nor times.
        encodes: Whether the prompt is encoded again; else all these cores still have it.
        scheduler: The pipeline's for this job (see `ModelSpec.scheduler`).
        cache: The step cache of this job (see `ModelSpec.cache`).
    """

    number: int
    plan: Plan
    call: Arguments
    seed: int
    threads: int
    encodes: bool
    scheduler: Arguments | None
    cache: Arguments | None


@dataclass(frozen=True, slots=True)
class Compile:
    """Asks for calls of the model as in a job that will follow, so that torch compiles them."""

    job: Job


@dataclass(frozen=True, slots=True)
class Decode:
    """Asks the core that made output `index` of the job for its picture."""

    number: int
    index: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ends the core's walk of the job within its current step."""

    number: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Ends the job: the pool wants nothing more of it."""

    number: int


@dataclass(frozen=True, slots=True)
class Quit:
    """Ends the worker."""


@dataclass(frozen=True, slots=True)
class Latent:
    """A latent outside of any tensor library: raw little-endian bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Restore:
    """Asks core 0 for the picture of a latent that an earlier run has kept.

    Attributes:
        number: Unique among the pool's jobs.
        call: The pipeline's call that made the latent, prompt included.
        seed: Of the noise that it was made from.
        steps: Of the grid.
        latent: What the pipeline's loop ended with.
        threads: With how many the core computes on the host.
    """

    number: int
    call: Arguments
    seed: int
    steps: int
    latent: Latent
    threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Landed:
    """Output `index` has reached the end of the grid, `at` on the monotonic clock."""

    number: int
    core: int
    index: int
    round: int
    latent: Latent
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """Output `index` as frames: uint8, [frames, height, width, 3]; an image is one frame."""

    number: int
    core: int
    index: int
    frames: np.ndarray
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The process has dropped all of the job.

    Attributes:
        number: The job's.
        core: The core.
        member: Of the core.
        encode_seconds: How long the prompt took to encode or to arrive.
        peak_memory: In bytes, on the device then on the host.
        evaluated: How many evaluations of the model a cache let it make; None without a cache.
    """

    number: int
    core: int
    encode_seconds: float
    peak_memory: tuple[int | None, int]
    evaluated: float | None = None
    member: int = 0


@dataclass(frozen=True, slots=True)
class Alive:
    """The core's process is there; it `works`, or waits for another one, unless it hangs.

    One that waits inside the model for another member of its core seems to hang, too.

    Attributes:
        core: The core.
        works: Whether it used its processor, or waits.
        waits: Whether it waits for the pool or another process.
        turns: How often its own work has got on so far, whoever sends this.
        doing: What it is doing, after "while".
    """

    core: int
    works: bool = True
    waits: bool = False
    turns: int = 0
    doing: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The worker cannot go on because of `error`; `details` is a traceback for developers."""

    core: int
    error: ChordsError
    details: str
