"""How devices are laid out: groups x cores x guidance split x context, and which way is soonest.

A device can make a picture of its own (groups), walk ahead on the same picture (cores), compute one
half of guidance (split), or a part of the tokens (context). What each way buys is known before
anything starts: rounds are the plan's, and `Gains` says how much sooner one evaluation is done by
several devices. The layout of the shortest time wins, and of equal times the one that takes fewer
devices, so another device never makes anything slower.

One picture is made as soon as possible, within the error that `sampler.rounds` aims at. Where there
are as many pictures as devices, or more, all devices have work without that, and every picture is
made by one core that takes every step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from chords_cli.pipelines.load.spec import BRANCHES
from chords_cli.sampler.plan import Plan, sequential_plan
from chords_cli.sampler.rounds import (
    STRONG,
    STRONG_STEPS,
    default_rounds,
    expected_error,
    useful_cores,
)
from chords_cli.sampler.wavefront import wavefront_plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Gains:
    """How many times sooner one evaluation of the model is done by several devices.

    The defaults are assumed, not measured: that of the split by what two CPU cores showed, those of
    context for pictures on a fast link (NVLink). `python -m benchmarks.gpu` measures a machine's.

    Attributes:
        split: By two devices, one for each half of guidance.
        context: By so many devices that share the tokens.
        measured: Which of the two were measured on this machine, by name.
    """

    split: float = 1.85
    context: tuple[tuple[int, float], ...] = ((2, 1.5), (4, 2.5), (8, 3.4))
    measured: tuple[str, ...] = ()

    def of(self, *, split: bool, contexts: int) -> float:
        """Returns the gain of both together; of the most devices known, where theirs is not."""
        known = {1: 1.0} | dict(self.context)
        shared = known[max(many for many in known if many <= contexts)]
        return (self.split if split else 1.0) * shared


ASSUMED = Gains()


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What there is to make, and what the model allows.

    Attributes:
        steps: Of the grid.
        guidance: Of two model calls a step; 1 without.
        pictures: How many images or videos.
        cores: How many cores a picture may have.
        splits: Whether guidance may be split, and must be if False is not among them.
        contexts: On how many devices context may be parallel.
        exact: Whether every picture has to be the sequential sampler's.
        hosts: How many devices each host has, if there are several: a core stays inside one.
    """

    steps: int
    guidance: float = 1.0
    pictures: int = 1
    cores: int = 256
    splits: tuple[bool, ...] = (False,)
    contexts: tuple[int, ...] = (1,)
    exact: bool = False
    hosts: tuple[int, ...] = ()

    def takes_every_step(self, devices: int) -> bool:
        """Tells whether cores may not skip steps: few of them or strong guidance hardly save any.

        Pictures that keep all devices busy take every step, too.
        """
        strong = self.guidance > STRONG and self.steps < STRONG_STEPS
        return self.exact or strong or 1 < self.pictures >= devices


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One way to use devices.

    Attributes:
        groups: How many pictures are made at a time.
        cores: Of every picture.
        split: Whether every core has two devices for the halves of guidance.
        contexts: On how many devices every half shares the tokens.
        rounds: Of a picture.
        gain: How many times sooner than by one device a round is over.
        work: What it is for.
    """

    groups: int
    cores: int
    split: bool
    contexts: int
    rounds: int
    gain: float
    work: Work

    @property
    def members(self) -> int:
        """The devices of a core."""
        return members_of(split=self.split, context=self.contexts)

    @property
    def devices(self) -> int:
        """How many devices it takes."""
        return self.groups * self.cores * self.members

    @property
    def exact(self) -> bool:
        """Whether every picture is the sequential sampler's."""
        return self.rounds == self.work.steps

    @property
    def time(self) -> float:
        """When the last picture is there, in evaluations of the model on one device."""
        turns = -(-self.work.pictures // self.groups)
        return turns * self.rounds / self.gain

    @property
    def speedup(self) -> float:
        """How many times sooner than by one device that takes every step of every picture."""
        return self.work.pictures * self.work.steps / self.time

    def rank(self) -> tuple[float, int, int]:
        """Returns what layouts are compared by: the smallest is the best."""
        return round(self.time, 6), self.devices, self.cores

    def plan(self) -> Plan:
        """Returns the plan of every picture."""
        if self.cores == 1 and self.exact:
            return sequential_plan(self.work.steps)
        return wavefront_plan(self.work.steps, self.cores, self.rounds, self.work.guidance)

    def describe(self, devices: int) -> str:
        """Says in one line what was chosen of so many devices."""
        members = f" x {BRANCHES} (guidance split)" if self.split else ""
        members += f" x {self.contexts} (context)" if self.contexts > 1 else ""
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}{members}"
        parts = [cores if self.groups == 1 else f"{self.groups} pictures at a time, {cores} each"]
        steps = self.work.steps
        every = f"all {steps} steps" if steps > 1 else "its only step"
        parts += [every if self.exact else f"{self.rounds} rounds of {steps}"]
        parts += [f"ideally {self.speedup:.3g}x"]
        error = None if self.exact else expected_error(self.plan())
        parts += [f"expected error {error.median:.2g}"] if error else []
        free = devices - self.devices
        parts += [f"{_devices(free)} free: no sooner with more"] if free else []
        return f"{_devices(devices)}: {', '.join(parts)}"


def layouts(work: Work, devices: int, gains: Gains = ASSUMED) -> Iterator[Layout]:
    """Yields every layout that at most so many devices allow, with the rounds that are usual."""
    every = work.takes_every_step(devices)
    for split, contexts in product(work.splits, work.contexts):
        members = members_of(split=split, context=contexts)
        if any(held % members for held in work.hosts):
            continue
        most = 1 if every else min(work.cores, work.steps, devices // members)
        for cores in range(1, most + 1):
            if useful_cores(work.steps, cores, work.guidance) < cores:
                continue
            rounds = work.steps if every else default_rounds(work.steps, cores, work.guidance)
            if cores > 1 and rounds == work.steps:
                continue
            for groups in range(1, min(work.pictures, devices // (cores * members)) + 1):
                yield Layout(
                    groups=groups,
                    cores=cores,
                    split=split,
                    contexts=contexts,
                    rounds=rounds,
                    gain=gains.of(split=split, contexts=contexts),
                    work=work,
                )


def choose_layout(work: Work, devices: int, gains: Gains = ASSUMED) -> Layout | None:
    """Returns the layout of the shortest time to the last picture; None if nothing fits.

    Nothing fits where guidance has to be split, or context has to be parallel, on more devices than
    there are.
    """
    return min(layouts(work, devices, gains), key=Layout.rank, default=None)


def members_of(*, split: bool, context: int) -> int:
    """Returns how many devices a core has: for the halves of guidance, and to share the tokens."""
    return context * (BRANCHES if split else 1)


def _devices(number: int) -> str:
    return f"{number} device{'s' if number > 1 else ''}"
