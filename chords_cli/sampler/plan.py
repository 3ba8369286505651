"""What every core computes in every round, as integers.

A plan is data: it is made in microseconds before a run starts, every process reads the same one,
and control flow follows it. This file knows no latent, no noise level and no tensor library.

Words (ALGORITHM.md): a *walk* is the increasing list of grid steps that a core evaluates, one per
round, counted from round 0; a *message* is one latent from a core to the next faster one; a *hit*
is an output. Rounds of hits count the rounds that are over: a core that evaluates its last step
in round `r` hits after `r + 1` rounds.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from chords_cli.errors import PlanError


@dataclass(frozen=True, slots=True)
class Message:
    """One latent from core `core - 1` to core `core`, sent and received in `round`.

    `start` is the grid step that the sender evaluates in that round, `stop` the grid step to which
    it carries its latent: the step at which the receiver stands after the round.
    """

    round: int
    core: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Hit:
    """An output: the `index`-th latent that reaches the end of the grid, after `round` rounds."""

    index: int
    core: int
    round: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Who computes what when, and which latents travel.

    Attributes:
        algo: The algorithm that made the plan and whose arithmetic the cores follow.
        steps: T, the number of steps of the grid.
        walks: Per core the grid steps that it evaluates, one per round; core 0 is the slowest.
        evaluations: Per core how many steps of its walk it runs: all of them, or fewer where
            nothing that is asked for depends on the rest (see `until`).
        repeated: Per core how many of its first evaluations repeat those of slower cores, bit for
            bit, because all cores start from the same noise.
        messages: In order of round, then of core.
        hits: The outputs in order: index 0 is the preview, then every core's arrival.
        init_t: The starts of the cores, where the algorithm has such.
        planned_rounds: In how many rounds the fastest core was asked to arrive, where the
            algorithm is planned by them.
        guidance: For which guidance, of two model calls a step, it was planned by rounds.
    """

    algo: str
    steps: int
    walks: tuple[tuple[int, ...], ...]
    evaluations: tuple[int, ...]
    repeated: tuple[int, ...]
    messages: tuple[Message, ...]
    hits: tuple[Hit, ...]
    init_t: tuple[int, ...] | None = None
    planned_rounds: int | None = None
    guidance: float | None = None

    @property
    def cores(self) -> int:
        """K, the number of cores."""
        return len(self.walks)

    def reached(self, core: int, round: int) -> int:
        """Returns the grid step at which `core` stands after `round`; T at the end."""
        return after(self.walks[core], round, self.steps)

    def visits_all(self, core: int) -> bool:
        """Tells whether `core` evaluates every grid step, as the sequential sampler does."""
        return len(self.walks[core]) == self.steps

    def incoming(self, core: int) -> dict[int, Message]:
        """Returns the messages that `core` receives, by round."""
        return {message.round: message for message in self._received[core]}

    def outgoing(self, core: int) -> dict[int, Message]:
        """Returns the messages that `core` sends, by round."""
        return self.incoming(core + 1) if core + 1 < self.cores else {}

    def rounds(self, index: int = 1) -> int:
        """Returns the latency of output `index` in rounds."""
        return self.hits[index].round

    def speedup(self, index: int = 1) -> float:
        """Returns the ideal speed-up of output `index`: sequential steps over rounds."""
        return self.steps / self.rounds(index)

    def nfe_total(self, index: int = 1) -> int:
        """Counts the distinct drift evaluations of all cores until output `index`."""
        rounds = self.rounds(index)
        ran = (min(len(walk), rounds) for walk in self.walks)
        return sum(n - min(n, same) for n, same in zip(ran, self.repeated, strict=True))

    def nfe_wasted(self, index: int = 1) -> int:
        """Counts the evaluations of `nfe_total` that output `index` does not need."""
        needed = self._needed(index)
        kept = sum(n - min(n, same) for n, same in zip(needed, self.repeated, strict=True))
        return self.nfe_total(index) - kept

    def nfe_run(self, index: int = 1) -> int:
        """Counts the model calls that all cores really make for output `index`.

        Those of `nfe_total` that are needed, and the steps that several cores evaluate alike.
        """
        return sum(self._needed(index))

    def until(self, index: int) -> "Plan":
        """Returns the part of this plan on which outputs 0 to `index` depend, and nothing more.

        Every core ends by itself when nobody needs it any longer, so stopping at an index takes
        no message.
        """
        needed = self._needed(index)
        return replace(
            self,
            evaluations=needed,
            messages=tuple(m for m in self.messages if m.round < needed[m.core]),
            hits=self.hits[: index + 1],
        )

    def _needed(self, index: int) -> tuple[int, ...]:
        """Returns how many steps of its walk every core runs for outputs 0 to `index`."""
        needed = [0] * self.cores
        for hit in self.hits[: index + 1]:
            needed[hit.core] = max(needed[hit.core], hit.round)
        for core in range(self.cores - 1, 0, -1):
            received = self._received[core]
            count = bisect_left(received, needed[core], key=lambda message: message.round)
            sent = received[count - 1].round + 1 if count else 0
            needed[core - 1] = max(needed[core - 1], sent)
        return tuple(needed)

    @cached_property
    def _received(self) -> tuple[tuple[Message, ...], ...]:
        """Per core the messages that it receives, in order of round."""
        received: list[list[Message]] = [[] for _ in self.walks]
        for message in self.messages:
            received[message.core].append(message)
        return tuple(map(tuple, received))


def chords_plan(steps: int, init_t: Sequence[int]) -> Plan:
    """Makes the plan of the paper's algorithm (arXiv 2507.15260, Algorithm 1).

    Core k walks the chain of starts s_0 .. s_k, one per round, then every grid step. It is
    rectified in a round in which core k-1 evaluates exactly at core k's anchor; the anchor then
    moves on.

    Args:
        steps: T >= 1.
        init_t: The starts, strictly increasing from 0 and below T; core 0 first.

    Raises:
        PlanError: The starts or T make no plan.
    """
    starts = tuple(init_t)
    _check_starts(steps, starts)
    walks = tuple(
        starts[: core + 1] + tuple(range(start + 1, steps)) for core, start in enumerate(starts)
    )
    messages = [m for core in range(1, len(walks)) for m in _rectifications(walks, core)]
    return Plan(
        algo="chords",
        steps=steps,
        walks=walks,
        evaluations=tuple(map(len, walks)),
        repeated=tuple(range(len(walks))),
        messages=tuple(sorted(messages, key=lambda m: (m.round, m.core))),
        hits=hits_of(walks, preview=len(walks)),
        init_t=starts,
    )


def sequential_plan(steps: int) -> Plan:
    """Makes the plan of one core that visits every step: what stock diffusers computes."""
    return replace(chords_plan(steps, (0,)), algo="sequential")


def after(walk: Sequence[int], round: int, steps: int) -> int:
    """Returns the grid step at which a core stands after `round` of its walk; T at the end."""
    return walk[round + 1] if round + 1 < len(walk) else steps


def hits_of(walks: Sequence[Sequence[int]], preview: int) -> tuple[Hit, ...]:
    """Returns the preview after `preview` rounds, then every core's arrival, fastest first."""
    last = len(walks) - 1
    arrivals = (Hit(last - core + 1, core, len(walks[core])) for core in range(last, -1, -1))
    return (Hit(0, last, preview), *arrivals)


def check_size(steps: int, cores: int) -> None:
    """Refuses a grid without steps, a run without cores, and more cores than steps.

    Raises:
        PlanError: T or K is out of range.
    """
    _check_steps(steps)
    if cores < 1:
        raise PlanError(
            f"cores is {cores}, but a run has at least 1 core", "try {cores}", {"cores": 4}
        )
    if cores > steps:
        one = steps == 1
        raise PlanError(
            f"cores is {cores}, but "
            + (
                "1 step allows only 1 core" if one else f"{steps} steps allow at most {steps} cores"
            ),
            f"use {{cores}}{'' if one else ' or fewer'}, or more {{steps}}",
            {"cores": steps, "steps": None},
        )


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise PlanError(
            f"steps is {steps}, but a grid has at least 1 step", "try {steps}", {"steps": 50}
        )


def _check_starts(steps: int, starts: tuple[int, ...]) -> None:
    shown = "-".join(map(str, starts))
    _check_steps(steps)
    if not starts or starts[0] != 0:
        raise PlanError(
            f"init_t {shown or '(empty)'} does not start at 0",
            "core 0 visits every step: begin with 0, as in 0-8-16-32",
        )
    for before, after in pairwise(starts):
        if after == before:
            raise PlanError(f"init_t {shown} repeats {after}", "give every core its own start")
        if after < before:
            raise PlanError(
                f"init_t {shown} is not increasing: {after} follows {before}",
                "sort the starts, slowest core first, as in 0-8-16-32",
            )
    if starts[-1] >= steps:
        raise PlanError(
            f"init_t {shown} reaches {starts[-1]}, but the grid's last step is {steps - 1}",
            "keep every start below {steps}",
            {"steps": steps},
        )


def _rectifications(walks: tuple[tuple[int, ...], ...], core: int) -> list[Message]:
    """Finds when and where core `core` is rectified: its slower neighbour is at its anchor."""
    walk, slower, found = walks[core], walks[core - 1], []
    anchor = walk[core]
    for round in range(core, len(walk)):
        if slower[round] == anchor:
            anchor = walk[round] + 1
            found.append(Message(round, core, start=slower[round], stop=anchor))
    return found
