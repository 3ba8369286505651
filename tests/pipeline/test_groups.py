"""A pool with groups: several samples at a time, each with the bits that it has alone."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from chords_cli.engine.pool import Pool, Wanted
from chords_cli.errors import ChordsError
from chords_cli.events import CoreReady, CoreStarted, CoreStepped, Event
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import sequential_plan, wavefront_plan
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import call_of, pool_of

STEPS = 6
CALL = call_of("flux", STEPS)
ALONE, PAIR = sequential_plan(STEPS), wavefront_plan(STEPS, 2, 4)

Spec = Callable[[str, str], ModelSpec]


def wanted(plan: Plan, seeds: range, **more: Any) -> list[Wanted]:
    stop = StopRule(index=plan.cores)
    return [
        Wanted(plan=plan, call=CALL | {"prompt": f"number {seed}"}, seed=seed, stop=stop, **more)
        for seed in seeds
    ]


def made_alone(pool: Pool, plan: Plan, seeds: range) -> list[Any]:
    """The latents of one sample after the other, by the first group."""
    return [
        pool.sample(one.plan, one.call, one.seed, one.stop).outputs[-1].latent
        for one in wanted(plan, seeds)
    ]


@pytest.mark.parametrize(("plan", "groups"), [(ALONE, 4), (PAIR, 2)], ids=["4 x 1", "2 x 2"])
def test_every_sample_has_the_bits_that_it_has_alone_and_samples_begin_in_order(
    plan: Plan, groups: int, spec: Spec
) -> None:
    began: list[int] = []
    events: list[Event] = []
    seeds = range(7)
    with pool_of(spec("flux", "float32"), 4, listener=events.append, groups=groups) as pool:
        expected = made_alone(pool, plan, seeds)
        events.clear()
        made = dict(pool.each(wanted(plan, seeds, on_begin=began.append)))
    assert sorted(made) == [*seeds]
    assert [made[seed].outputs[-1].latent for seed in seeds] == expected
    assert began[:groups] == [*range(groups)]
    assert set(began) == set(range(groups))
    stepped = {event.core for event in events if isinstance(event, CoreStepped)}
    assert stepped == set(range(4)), "listeners count the cores of all groups"


def test_fewer_samples_than_groups_leave_groups_idle(spec: Spec) -> None:
    ready: list[Event] = []
    with pool_of(spec("flux", "float32"), 4, listener=ready.append, groups=4) as pool:
        assert len(pool.components) == 4
        made = dict(pool.each(wanted(ALONE, range(2))))
        assert sorted(made) == [0, 1]
        assert list(pool.each([])) == []
    assert {event.core for event in ready if isinstance(event, CoreReady)} == set(range(4))


def test_a_core_of_another_group_that_dies_is_named_by_its_number_among_all(spec: Spec) -> None:
    pids: dict[int, int] = {}

    def listen(event: Event) -> None:
        if isinstance(event, CoreStarted) and event.pid:
            pids[event.core] = event.pid
        if isinstance(event, CoreStepped) and event.core == 2 and 3 in pids:
            os.kill(pids.pop(3), signal.SIGKILL)

    with (
        pytest.raises(ChordsError, match=r"core 3 on cpu died while .*: killed by SIGKILL"),
        pool_of(spec("flux", "float32"), 4, listener=listen, groups=2) as pool,
    ):
        list(pool.each(wanted(PAIR, range(4))))
