"""What happens during a run, as frozen events.

Workers send events over their pipes; the pool adds its own and passes all of them to one listener:
the live panel, the plain lines, a record, or nothing. Times are seconds of the host's monotonic
clock, so they can be compared between the processes of one host.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Anything that happens; `at` says when."""

    at: float = field(default_factory=time.monotonic)


_SHORT = 2
"""As many devices of a core are named one by one."""


def per_core(devices: Sequence[str], members: int) -> list[str]:
    """Returns an entry per core, such as `cuda:0 + cuda:1`, of devices that stand side by side.

    Of more than two it is short: `cuda:0 to 3`, or `cpu x 4`.
    """
    firsts = range(0, len(devices), members)
    return [_together(devices[first : first + members]) for first in firsts]


def _together(devices: Sequence[str]) -> str:
    first, last = devices[0], devices[-1]
    numbered = re.fullmatch(r"(.+:)(\d+)", first)
    if len(devices) > _SHORT and len(set(devices)) == 1:
        return f"{first} x {len(devices)}"
    if numbered and len(devices) > _SHORT:
        row = [f"{numbered[1]}{int(numbered[2]) + member}" for member in range(len(devices))]
        if row == list(devices):
            return f"{first} to {last.rpartition(':')[2]}"
    return " + ".join(devices)


Listener = Callable[[Event], None]
"""Wants to know what happens; called once per event, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResolved(Event):
    """The settings are resolved and nothing has started: the first event of a run.

    `model` is the preset's title, `devices` has `members` entries per core, `plan` is cut to what
    `stop` needs where that is known, `output` is the folder of the results, `note` is what the user
    should know before anything loads, a sentence a line. So many `groups` make samples at the
    same time; the cores of all of them are counted through.
    """

    model: str
    plan: Plan
    stop: StopRule
    devices: tuple[str, ...]
    output: str
    note: str | None = None
    members: int = 1
    groups: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessesStarted(Event):
    """The cores' processes run; `method` is `fork` or `spawn`, `reason` why it was not `fork`."""

    method: str
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreEvent(Event):
    """One core has done something or begins to do it.

    `member` is 0, or more for a helper of a core that runs on several devices.
    """

    core: int
    member: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreStarted(CoreEvent):
    """The core's process `pid` runs on `device` (as torch writes it)."""

    device: str
    pid: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreLoading(CoreEvent):
    """The core reads component `what`: `done` of the `total` bytes of all components are read."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreReady(CoreEvent):
    """The core has loaded `components` (names) in `seconds` and waits for work."""

    components: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned(CoreEvent):
    """Something is not as it was asked for, or a library warns of something: `text`, a sentence.

    Listeners hear a sentence once, whichever cores and samples it is about.
    """

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptStarted(Event):
    """Sampling of image or video `number` (from 1) of `total` begins, by a group of cores.

    `steps` are those of its plan, where it is not the run's.
    """

    number: int
    total: int
    prompt: str
    seed: int
    group: int = 0
    steps: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreEncoded(CoreEvent):
    """The core has its conditioning: it encoded the prompt (core 0) or received the result."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreCompiling(CoreEvent):
    """The core calls its model as never before: torch compiles it, and sampling begins later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreCompiled(CoreEvent):
    """Torch has compiled the core's model in `seconds`; the prompt took `encoded` before that."""

    seconds: float
    encoded: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreStepped(CoreEvent):
    """The core has moved from grid step `step` to `stop` in `round` (from 0).

    `correction` is how far the slower core's latent moved it (RMS in latent units), None when it
    was not rectified; `waited` the seconds spent waiting for that latent; `evaluations` how many
    rounds the core runs in this plan; `kept` how much of a difference at `step` is left at `stop`,
    None where that is not known.
    """

    round: int
    step: int
    stop: int
    evaluations: int
    correction: float | None
    waited: float
    kept: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreArrived(CoreEvent):
    """The core's work on this sample is over: it is done, or it is no longer needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputLanded(CoreEvent):
    """Output `index` exists as a latent, `seconds` after sampling began."""

    index: int
    round: int
    residual: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreDecoding(CoreEvent):
    """The core decodes output `index`."""

    index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputSaved(Event):
    """Output `index` of image or video `number` is complete at `path`."""

    index: int
    path: str
    number: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptDone(Event):
    """Image or video `number` is complete at `path`, `seconds` after PromptStarted."""

    number: int
    path: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSkipped(Event):
    """Image or video `number` was made before with the same settings and is at `path`."""

    number: int
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadStarted(Event):
    """Fetching the files of `model` begins; `sizes` and the bytes already `held` are by path."""

    model: str
    sizes: Mapping[str, int]
    held: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileArriving(Event):
    """`done` of `total` bytes of a file of `model` have arrived."""

    model: str
    path: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRetried(Event):
    """A file could not be fetched because of `reason`; the next try is in `seconds`."""

    model: str
    path: str
    reason: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFetched(Event):
    """A file of `model` is complete and checked."""

    model: str
    path: str
    total: int
