"""What travels between the terminal's host and another one, once they know each other."""

from dataclasses import dataclass

from chords_cli.engine.messages import WorkerSpec
from chords_cli.errors import ChordsError


@dataclass(frozen=True, slots=True)
class Beat:
    """The host is there."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message between the pool and a worker, as bytes that nobody reads here.

    Messages are cut so that a slow link is never silent for long.
    """

    process: int
    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Asks a host for a worker; what it loads is the host's own."""

    spec: WorkerSpec


@dataclass(frozen=True, slots=True)
class Kill:
    """Asks a host to end a worker by force."""

    process: int


@dataclass(frozen=True, slots=True)
class Died:
    """A worker has ended: its exit code, as `multiprocessing` has it, and the last it printed."""

    process: int
    code: int | None
    line: str


@dataclass(frozen=True, slots=True)
class End:
    """Ends what the hosts do together: because all is done, or of `error`."""

    error: ChordsError | None = None


Frame = Beat | Piece | Start | Kill | Died | End
