"""The wavefront plan: who runs ahead of whom, by how much, in every round.

Cores run ahead of core 0 by leads that grow over the first nine tenths of the run. In every round
a core's next latent is the slower core's newest one, carried along the fine grid to the core's own
next step (see `sampler.fills` for how). One core alone skips steps and has nobody to be corrected
by (see `sampler.lone_core`).

Symbols: T steps, K cores, R rounds, x = min(1, r / (0.9 R)) in round r. Core k ends lead_k steps
ahead of core 0 and is

    round(lead_k ((2 - a) x - (1 - a) x^2))

steps ahead in round r. The flatter growth of a > 0 asks less of the first rounds, in which
predictions turn most under strong guidance.
"""

from chords_cli.errors import PlanError
from chords_cli.sampler.plan import Message, Plan, after, check_size, hits_of
from chords_cli.sampler.rounds import WEAK, default_rounds

_SHORT = 16
"""Up to so many steps, and under weak guidance, leads grow as they would for a = 0."""

_MANY = 5
"""From so many cores on, most walk close to the fastest one, and correct it from there."""

_BEND, _BEND_OF_MANY = 1.5, 2.5
"""Core k of K ends ahead by the share 1 - (1 - k / (K - 1))^bend of what the fastest one does."""

_FLATTER = {1: 0.0, 2: 0.5, 3: 0.25, _MANY: 0.0}
"""The growth a of the leads, by the number of cores from which on it holds."""

_PREVIEW_ROUNDS = 3
"""The fastest core shows its preview when it knows its third drift."""


def wavefront_plan(steps: int, cores: int, rounds: int, guidance: float = 1.0) -> Plan:
    """Makes the plan in which core K - 1 arrives after `rounds` and core 0 visits every step.

    One core alone skips all but `rounds` steps. Under strong guidance predictions turn everywhere
    on the grid, and it visits steps at equal distances; else those near the noise lie closer.

    Args:
        steps: T >= 1.
        cores: K, from 1 to T.
        rounds: R, from 1 to T; T is the sequential result on every core.
        guidance: Of two model calls a step; 1 without.

    Raises:
        PlanError: A number is out of range.
    """
    _check(steps, cores, rounds, guidance)
    leads = _leads(steps - rounds, cores)
    flatter = 0.0
    if steps > _SHORT and guidance > WEAK:
        flatter = _FLATTER[max(k for k in _FLATTER if k <= cores)]
    walks = tuple(_walk(steps, lead, rounds, flatter) for lead in leads)
    if cores == 1 and guidance > WEAK:
        stride = (steps - 1) / max(1, rounds - 1)
        walks = (tuple(round(n * stride) for n in range(rounds)),)
    messages = (
        Message(round, core, walks[core - 1][round], after(walks[core - 1], round, steps))
        for round in range(steps)
        for core in range(1, cores)
        if round < len(walks[core])
    )
    return Plan(
        algo="wavefront",
        steps=steps,
        walks=walks,
        evaluations=tuple(map(len, walks)),
        repeated=(0,) + (1,) * (cores - 1),
        messages=tuple(messages),
        planned_rounds=rounds,
        guidance=guidance,
        hits=hits_of(walks, preview=min(_PREVIEW_ROUNDS, len(walks[-1]))),
    )


def _check(steps: int, cores: int, rounds: int, guidance: float) -> None:
    check_size(steps, cores)
    if not 1 <= rounds <= steps:
        raise PlanError(
            f"rounds is {rounds}, but {steps} steps take from 1 to {steps} rounds",
            "try {rounds}",
            {"rounds": default_rounds(steps, cores, guidance)},
        )


def _leads(ahead: int, cores: int) -> list[int]:
    """Returns how many steps every core ends ahead of core 0: 0 to `ahead`, growing if it can."""
    if cores == 1:
        return [ahead]
    last = cores - 1
    bend = _BEND if cores < _MANY else _BEND_OF_MANY
    leads = [round(ahead * (1 - (1 - core / last) ** bend)) for core in range(cores)]
    for core in range(1, cores):
        leads[core] = max(leads[core], leads[core - 1] + 1)
    leads[last] = ahead
    for core in range(last - 1, -1, -1):
        leads[core] = max(0, min(leads[core], leads[core + 1] - 1))
    return leads


def _walk(steps: int, lead: int, rounds: int, flatter: float) -> tuple[int, ...]:
    walk: list[int] = []
    for round_ in range(steps):
        part = min(1.0, round_ / (0.9 * rounds))
        grown = (2 - flatter) * part - (1 - flatter) * part**2
        step = round_ + round(lead * grown)
        step = max(step, walk[-1] + 1) if walk else 0
        if step >= steps:
            break
        walk.append(step)
    return tuple(walk)
