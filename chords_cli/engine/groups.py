"""The groups of a pool: cores that make one sample together, while other groups make others."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

from chords_cli.engine.job import SampledOutput, Session
from chords_cli.engine.messages import Job
from chords_cli.engine.processes import Workers
from chords_cli.engine.settings import PoolSettings, threads_on_hosts
from chords_cli.events import CoreEvent, Event, Listener
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

_NUMBERS = itertools.count(1)
"""Of jobs: unique, increasing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A sample to make.

    Attributes:
        plan: Which core computes what, and when.
        call: The pipeline's call, prompt included.
        seed: Of the noise.
        stop: Chooses the result.
        keep: Whether to go on to the last of the plan's hits, and to decode every output.
        again: Whether to encode the prompt even if the sample before had the same.
        on_output: Gets every decoded output as soon as there is one.
        on_begin: Is called when its group begins with it, with the group's number.
    """

    plan: Plan
    call: Arguments
    seed: int
    stop: StopRule
    keep: bool = False
    again: bool = False
    on_output: Callable[[SampledOutput], None] | None = None
    on_begin: Callable[[int], None] | None = None


class Group:
    """The cores of one group, as the pool sees them.

    Attributes:
        session: What it makes, or has made last; None before its first sample.
    """

    def __init__(
        self, number: int, settings: PoolSettings, workers: Workers, tell: Listener
    ) -> None:
        self._number, self._settings = number, settings
        self._workers, self._listener = workers, tell
        self._processes = each = len(settings.devices) // settings.groups
        self._devices = settings.devices[number * each : (number + 1) * each]
        self._encoded: tuple[Arguments, int] | None = None
        self._compiled = dict[frozenset[tuple[str, object]], int]()
        self.session: Session | None = None

    def tell(self, event: Event) -> None:
        """Tells the pool's listener, who counts the cores of all groups."""
        if self._number and isinstance(event, CoreEvent):
            cores = self._processes // self._settings.members
            event = replace(event, core=self._number * cores + event.core)
        self._listener(event)

    def begin(
        self,
        wanted: Wanted,
        *,
        scheduler: Arguments | None,
        cache: Arguments | None,
        warnings: tuple[str, ...],
    ) -> Session:
        """Hands a sample to the group's cores; nothing may be left of the one before."""
        plan = wanted.plan
        if wanted.stop.fixed is not None and not wanted.keep:
            plan = plan.until(wanted.stop.fixed)
        processes = plan.cores * self._settings.members
        assert processes <= self._processes, "a plan has its processes for every core"
        before, self._encoded = self._encoded, (wanted.call, plan.cores)
        job = Job(
            number=next(_NUMBERS),
            plan=plan,
            call=wanted.call,
            seed=wanted.seed,
            threads=threads_on_hosts(self._devices[:processes]),
            encodes=wanted.again or before != self._encoded,
            scheduler=scheduler,
            cache=cache,
        )
        first = self._number * self._processes
        if wanted.on_begin:
            wanted.on_begin(self._number)
        self.session = Session(
            job,
            wanted.stop,
            keep=wanted.keep,
            members=self._settings.members,
            send=lambda rank, message: self._workers.send(first + rank, message),
            tell=self.tell,
            on_output=wanted.on_output,
            warnings=warnings,
            compiles=self._compiles(wanted.call, plan.cores),
        )
        self.session.begin()
        return self.session

    def _compiles(self, call: Arguments, cores: int) -> bool:
        """Tells whether torch has to compile the model for a call, as if that was then done."""
        shapes = _shapes(call)
        if self._settings.model.compile is None or self._compiled.get(shapes, 0) >= cores:
            return False
        self._compiled[shapes] = cores
        return True


def _shapes(call: Arguments) -> frozenset[tuple[str, object]]:
    """Returns what of a call decides the shapes with which the model is called.

    That is every number of things but that of steps, and whether there is guidance. The length of
    a prompt may, too, but is not known before it is encoded.
    """
    held = set[tuple[str, object]]()
    for name, value in call.items():
        decides: object = getattr(value, "size", None) or type(value).__name__
        if isinstance(value, float):
            decides = value > 1
        elif isinstance(value, int):
            decides = value if name != "num_inference_steps" else None
        elif isinstance(value, list | tuple):
            decides = len(value)
        held.add((name, decides))
    return frozenset(held)
