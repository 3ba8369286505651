"""What is known of a run, from its events alone: the model behind the live panel.

No terminal, no clock and no engine here: events in, facts out.
"""

from collections import deque
from dataclasses import dataclass, field
from functools import singledispatchmethod

from chords_cli import events
from chords_cli.sampler.plan import Plan

HISTORY = 8
"""How many corrections of a core are remembered."""


@dataclass(slots=True)
class CoreProgress:
    """One core, as far as its events tell.

    Attributes:
        state: starting, loading, ready, encoding, waiting, sampling, decoding or done.
        done: How many steps of its own walk it has taken, of `evaluations`.
        part: The component that it loads; `loaded` of `to_load` bytes of all components.
        stop: The grid step at which it stands.
        decodes: The index of the output that it decodes; None when it decodes none.
        corrections: Its last corrections, oldest first.
    """

    device: str = ""
    state: str = "starting"
    part: str = ""
    loaded: int = 0
    to_load: int = 0
    done: int = 0
    evaluations: int = 0
    stop: int = 0
    decodes: int | None = None
    corrections: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))


@dataclass(slots=True)
class Progress:
    """A run, as far as its events tell.

    Attributes:
        resolved: What the run resolved to; None before it did.
        cores: By rank.
        outputs: The outputs of the current prompt that have landed, in order.
        began: When the first event happened, on the events' clock.
        loading_since: When the cores that are there now were first heard of.
    """

    resolved: events.RunResolved | None = None
    cores: dict[int, CoreProgress] = field(default_factory=dict)
    prompt: events.PromptStarted | None = None
    outputs: list[events.OutputLanded] = field(default_factory=list)
    began: float | None = None
    loading_since: float = 0.0

    @property
    def plan(self) -> Plan | None:
        """The plan of the run, once known."""
        return self.resolved.plan if self.resolved else None

    @property
    def total(self) -> int:
        """How many images or videos the run makes; 0 while that is not known."""
        return self.prompt.total if self.prompt else 0

    @property
    def all_ready(self) -> bool:
        """Whether every core that was heard of has loaded its part."""
        return all(core.state == "ready" for core in self.cores.values())

    def apply(self, event: events.Event) -> None:
        """Takes note of `event`; unknown events change nothing."""
        if self.began is None:
            self.began = self.loading_since = event.at
        self._note(event)

    def core(self, rank: int) -> CoreProgress:
        """The core of that rank, made when first heard of."""
        return self.cores.setdefault(rank, CoreProgress())

    @singledispatchmethod
    def _note(self, event: events.Event) -> None:
        """Nothing to learn."""

    @_note.register
    def _(self, event: events.RunResolved) -> None:
        self.resolved, self.prompt, self.outputs = event, None, []
        ranks = range(len(event.devices))
        self.cores = {rank: core for rank, core in self.cores.items() if rank in ranks}
        for rank, device in enumerate(event.devices):
            self.core(rank).device = device
            self.core(rank).evaluations = event.plan.evaluations[rank]

    @_note.register
    def _(self, event: events.CoreStarted) -> None:
        if self.cores and all(core.state == "done" for core in self.cores.values()):
            self.cores, self.loading_since = {}, event.at  # a comparison's next model
        self.core(event.core).device = event.device

    @_note.register
    def _(self, event: events.CoreLoading) -> None:
        core = self.core(event.core)
        core.state, core.part = "loading", event.what
        core.loaded, core.to_load = event.done, event.total

    @_note.register
    def _(self, event: events.CoreReady) -> None:
        self.core(event.core).state = "ready"

    @_note.register
    def _(self, event: events.PromptStarted) -> None:
        self.prompt, self.outputs = event, []
        for rank, core in self.cores.items():
            core.state = "waiting" if rank else "encoding"
            core.done = core.stop = 0
            core.corrections.clear()

    @_note.register
    def _(self, event: events.CoreEncoded) -> None:
        self.core(event.core).state = "sampling"

    @_note.register
    def _(self, event: events.CoreStepped) -> None:
        core = self.core(event.core)
        core.state, core.evaluations = "sampling", event.evaluations
        core.done, core.stop = event.round + 1, event.stop
        if event.correction is not None:
            core.corrections.append(event.correction)

    @_note.register
    def _(self, event: events.CoreArrived) -> None:
        core = self.core(event.core)
        core.state = "decoding" if core.state == "decoding" else "done"

    @_note.register
    def _(self, event: events.OutputLanded) -> None:
        self.outputs.append(event)

    @_note.register
    def _(self, event: events.CoreDecoding) -> None:
        core = self.core(event.core)
        core.state, core.decodes = "decoding", event.index

    @_note.register
    def _(self, event: events.OutputSaved) -> None:
        for core in self.cores.values():
            if core.decodes == event.index:
                core.decodes = None
                core.state = "done" if core.done >= core.evaluations else "sampling"

    @_note.register
    def _(self, event: events.PromptDone) -> None:
        for core in self.cores.values():
            core.state = "done"
