"""The groups of a pool: cores that make one sample together, while other groups make others.

A group may have begun a sample before all of its cores have let go of the one before: each core
gets a job when it has let go of its earlier ones, and when the core before it has got that job. So
nobody waits for latents, or for the prompt, of a core that is not there yet; a core that is ahead
waits when its line is full (`engine.exchange.line`).
"""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from chords_cli.engine.messages import Finished, Job
from chords_cli.engine.processes import Workers
from chords_cli.engine.samples.job import SampledOutput, Session
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
        on_output: Gets every decoded output as soon as there is one; in a thread of its own where
            the sample is one of many.
        on_handed: Is called when `on_output` has returned in that thread, on the pool's own.
        on_begin: Is called when its group begins with it, with the group's number.
    """

    plan: Plan
    call: Arguments
    seed: int
    stop: StopRule
    keep: bool = False
    again: bool = False
    on_output: Callable[[SampledOutput], None] | None = None
    on_handed: Callable[[], None] | None = None
    on_begin: Callable[[int], None] | None = None


@dataclass(slots=True)
class _Turn:
    """A core's part of a sample, until all of its processes have let go of it.

    Attributes:
        session: The sample.
        number: Of its job.
        left: The processes that have not let go of it.
        has_it: Whether these have got the job.
        held: What they get once they can have it, in order.
    """

    session: Session
    number: int
    left: set[int]
    has_it: bool = False
    held: list[tuple[int, object]] = field(default_factory=list)


class Group:
    """The cores of one group, as the pool sees them."""

    def __init__(
        self, number: int, settings: PoolSettings, workers: Workers, tell: Listener
    ) -> None:
        self._number, self._settings = number, settings
        self._workers, self._listener = workers, tell
        self._processes = each = len(settings.devices) // settings.groups
        self._devices = settings.devices[number * each : (number + 1) * each]
        self._encoded: tuple[Arguments, int] | None = None
        self._compiled = dict[frozenset[tuple[str, object]], int]()
        self._turns = [deque[_Turn]() for _ in range(each // settings.members)]

    @property
    def can_begin(self) -> bool:
        """Whether its first core has let go of all samples that have begun."""
        return not self._turns[0]

    def tell(self, event: Event) -> None:
        """Tells the pool's listener, who counts the cores of all groups."""
        if self._number and isinstance(event, CoreEvent):
            event = replace(event, core=self._number * len(self._turns) + event.core)
        self._listener(event)

    def begin(
        self,
        wanted: Wanted,
        *,
        scheduler: Arguments | None,
        cache: Arguments | None,
        warnings: tuple[str, ...],
    ) -> Session:
        """Hands a sample to the group's cores, each of which begins when it can."""
        plan, members = wanted.plan, self._settings.members
        if wanted.stop.fixed is not None and not wanted.keep:
            plan = plan.until(wanted.stop.fixed)
        processes = plan.cores * members
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
        if wanted.on_begin:
            wanted.on_begin(self._number)
        session = Session(
            job,
            wanted.stop,
            keep=wanted.keep,
            members=members,
            send=lambda rank, message: self._send(job.number, rank, message),
            tell=self.tell,
            on_output=wanted.on_output,
            warnings=warnings,
            compiles=self._compiles(wanted.call, plan.cores),
        )
        for core in range(plan.cores):
            left = set(range(core * members, (core + 1) * members))
            self._turns[core].append(_Turn(session, job.number, left))
        session.begin()
        self._hand_out()
        return session

    def hear(self, rank: int, message: object) -> None:
        """Takes what one of its processes has sent: it is about the sample that this one is at."""
        turns = self._turns[rank // self._settings.members]
        if not (turns and turns[0].has_it):
            return
        session = turns[0].session
        session.hear(message)
        if isinstance(message, Finished):
            turns[0].left.discard(rank)
            if not turns[0].left:
                turns.popleft()
                self._hand_out()
        elif session.over:  # it was cut off before its cores began
            for turns in self._turns:
                if turns and turns[0].session is session:
                    turns.popleft()

    def _hand_out(self) -> None:
        """Gives every core that is free its next job, as far as the one before it has got that."""
        awaited = set[int]()
        for core, turns in enumerate(self._turns):
            if turns and not turns[0].has_it and turns[0].number not in awaited:
                turns[0].has_it = True
                turns[0].session.has_begun(core)
                for rank, message in turns[0].held:
                    self._post(rank, message)
                turns[0].held.clear()
            awaited = {turn.number for turn in turns if not turn.has_it}

    def _send(self, number: int, rank: int, message: object) -> None:
        """Sends a process something about a job, unless it has let go of that."""
        for turn in self._turns[rank // self._settings.members]:
            if turn.number == number and turn.has_it:
                self._post(rank, message)
            elif turn.number == number:
                turn.held.append((rank, message))

    def _post(self, rank: int, message: object) -> None:
        self._workers.send(self._number * self._processes + rank, message)

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
