"""Keeps what is known about a run from its events: the model behind the live panel.

It knows no terminal, no clock and no engine.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from chords_cli import events
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

State = Literal[
    "starting",
    "loading",
    "ready",
    "encoding",
    "compiling",
    "waiting",
    "sampling",
    "decoding",
    "done",
]
"""What a core is doing."""

HISTORY = 8
"""How many corrections of a core are remembered."""


@dataclass(slots=True)
class CoreProgress:
    """What is known about one core from its events.

    Attributes:
        device: Where it runs, as torch writes it; several with a plus between them.
        state: What it is doing.
        part: The component that it is loading.
        loaded: The bytes of all components that it has loaded, of `to_load`.
        done: How many steps of its own walk it has taken, of `evaluations`.
        stop: The grid step that it has reached.
        decodes: The index of the output that it is decoding; None while it decodes none.
        number: The image or video that it makes; None before the first one.
        next: What it makes next, if its group has begun that and this core is not there yet.
        steps: Of the grid on which it makes that; None for the plan's.
        corrections: Its last corrections, oldest first.
    """

    device: str = ""
    state: State = "starting"
    part: str = ""
    loaded: int = 0
    to_load: int = 0
    done: int = 0
    evaluations: int = 0
    stop: int = 0
    decodes: int | None = None
    number: int | None = None
    next: events.PromptStarted | None = None
    steps: int | None = None
    corrections: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def begin(self, event: events.PromptStarted, state: State = "waiting") -> None:
        """Notes that it makes another image or video from now on."""
        self.state, self.next, self.decodes = state, None, None
        self.done = self.stop = 0
        self.number, self.steps = event.number, event.steps
        self.corrections.clear()

    def end(self, number: int) -> None:
        """Notes that an image or video is complete."""
        if self.number != number:
            return
        self.state = "done"
        if self.next:
            self.begin(self.next)

    def apply(self, event: events.CoreEvent) -> None:
        """Notes something that this core does; unknown events change nothing."""
        if self.next and isinstance(event, events.CoreCompiling | events.CoreEncoded):
            self.begin(self.next)
        match event:
            case events.CoreStarted():
                self.device = self.device or event.device
            case events.CoreLoading():
                self.state, self.part = "loading", event.what
                self.loaded, self.to_load = event.done, event.total
            case events.CoreReady():
                self.state = "ready"
            case events.CoreCompiling():
                self.state = "compiling"
            case events.CoreCompiled():
                self.state = "waiting"
            case events.CoreEncoded():
                self.state = "sampling"
            case events.CoreStepped():
                self.state, self.evaluations = "sampling", event.evaluations
                self.done, self.stop = event.round + 1, event.stop
                if event.correction is not None:
                    self.corrections.append(event.correction)
            case events.CoreArrived():
                self.state = "decoding" if self.state == "decoding" else "done"
            case events.CoreDecoding():
                self.state, self.decodes = "decoding", event.index


@dataclass(slots=True)
class Progress:
    """What is known about a run from its events.

    Attributes:
        resolved: The run's first event, with its settings; None before it has happened.
        cores: The cores by rank.
        prompt: The latest prompt; None before the first one.
        making: The prompts that are being made, by number: one for each group of cores, and
            another one where it has begun the next.
        landed: The outputs that have arrived, in order, by the number of their prompt.
        finished: How many images or videos are complete.
        warnings: What the run has warned of, in order.
        loading_since: When the first of the current cores started, on the events' clock; at first
            when the first event happened, None before it.
        compiling_since: When the first of those that now compile began to, on the same clock.
    """

    resolved: events.RunResolved | None = None
    cores: dict[int, CoreProgress] = field(default_factory=dict)
    prompt: events.PromptStarted | None = None
    making: dict[int, events.PromptStarted] = field(default_factory=dict)
    finished: int = 0
    landed: dict[int, list[events.OutputLanded]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    loading_since: float | None = None
    compiling_since: float = 0.0

    @property
    def plan(self) -> Plan | None:
        """The plan of the run, once known."""
        return self.resolved.plan if self.resolved else None

    @property
    def stop(self) -> StopRule:
        """Which output is the result; the default until the run's settings are known."""
        return self.resolved.stop if self.resolved else StopRule()

    @property
    def in_groups(self) -> bool:
        """Whether several images or videos are made at a time."""
        return self.resolved is not None and self.resolved.groups > 1

    @property
    def several(self) -> bool:
        """Whether more than one image or video may be under way."""
        return self.in_groups or self.total > 1

    @property
    def outputs(self) -> list[events.OutputLanded]:
        """The outputs so far of the oldest prompt that is being made, or of the last one."""
        latest = self.prompt.number if self.prompt else 0
        return self.landed.get(min(self.making, default=latest), [])

    @property
    def total(self) -> int:
        """How many images or videos the run makes; 0 while that is not known."""
        return self.prompt.total if self.prompt else 0

    @property
    def all_ready(self) -> bool:
        """Whether every core that has started has loaded its part."""
        return all(core.state == "ready" for core in self.cores.values())

    @property
    def compiling(self) -> int:
        """For how many cores torch compiles the model now."""
        return sum(core.state == "compiling" for core in self.cores.values())

    def core(self, rank: int) -> CoreProgress:
        """Returns the core with that rank; adds it if it is new."""
        return self.cores.setdefault(rank, CoreProgress())

    def apply(self, event: events.Event) -> None:
        """Notes `event`; unknown events change nothing."""
        if self.loading_since is None:
            self.loading_since = event.at
        match event:
            case events.RunResolved():
                self._apply_resolved(event)
            case events.PromptStarted():
                self._apply_prompt(event)
            case events.Warned():
                self.warnings.append(event.text)
            case events.OutputLanded():
                number = self.core(event.core).number or 0
                self.landed.setdefault(number, []).append(event)
            case events.CoreEvent() if event.member == 0:
                states = {core.state for core in self.cores.values()}
                if isinstance(event, events.CoreStarted) and states == {"done"}:
                    self.cores, self.loading_since = {}, event.at  # a comparison's next model
                if isinstance(event, events.CoreCompiling) and not self.compiling:
                    self.compiling_since = event.at
                self.core(event.core).apply(event)
            case events.OutputSaved():
                for core in self.cores.values():
                    if core.decodes == event.index and core.number in (None, event.number):
                        core.decodes = None
                        core.state = "done" if core.done >= core.evaluations else "sampling"
            case events.PromptDone():
                self.making.pop(event.number, None)
                self.finished += 1
                for core in self.cores.values():
                    core.end(event.number)
            case events.PromptSkipped():
                self.finished += 1

    def _apply_resolved(self, event: events.RunResolved) -> None:
        self.resolved, self.prompt, self.landed = event, None, {}
        self.making, self.finished = {}, 0
        places = events.per_core(event.devices, event.members)
        self.cores = {rank: core for rank, core in self.cores.items() if rank < len(places)}
        for rank, device in enumerate(places):
            self.core(rank).device = device
            self.core(rank).evaluations = event.plan.evaluations[rank % event.plan.cores]

    def _apply_prompt(self, event: events.PromptStarted) -> None:
        self.prompt = event
        self.landed = {n: landed for n, landed in self.landed.items() if n in self.making}
        cores = max(1, len(self.cores) // (self.resolved.groups if self.resolved else 1))
        for rank, core in self.cores.items():
            if rank // cores != event.group:
                continue
            if rank % cores == 0:
                core.begin(event, "encoding")
            elif core.number in self.making:
                core.next = event
            else:
                core.begin(event)
        self.making[event.number] = event
