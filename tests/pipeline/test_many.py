"""Many samples by one group of cores: the next begins before the one before has ended."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from chords_cli.engine.pool import SampledOutput, Wanted
from chords_cli.errors import ChordsError
from chords_cli.events import CoreDecoding, CoreEncoded, CoreStarted, Event, OutputLanded
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, wavefront_plan
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import call_of, pool_of
from tests.pipeline.members import NEGATIVE
from tests.waiting import HANG

pytestmark = pytest.mark.slow

STEPS, CORES = 8, 4
CALL = call_of("flux", STEPS)
WAVEFRONT = wavefront_plan(STEPS, CORES, 6)
CHORDS = chords_plan(STEPS, (0, 2, 4, 5))
FIRST, EXACT, SMALL = StopRule(), StopRule(index=CORES), StopRule("residual", residual=0.5)

Spec = Callable[[str, str], ModelSpec]


def wanted(plan: Plan, stop: StopRule, count: int, **more: Any) -> list[Wanted]:
    """Samples of as many prompts; two in a row share one."""
    return [
        Wanted(plan=plan, call=CALL | {"prompt": f"number {n // 2}"}, seed=n, stop=stop, **more)
        for n in range(count)
    ]


class Decoder:
    """A listener that stops the core which decodes the first sample until core 0 is at the next."""

    def __init__(self, then: signal.Signals) -> None:
        self._then, self._encoded, self._free = then, 0, False
        self._pids: dict[int, int] = {}
        self.core: int | None = None

    def listen(self, event: Event) -> None:
        if isinstance(event, CoreStarted) and event.pid:
            self._pids[event.core] = event.pid
        if isinstance(event, CoreDecoding) and self.core is None:
            self.core = event.core
            os.kill(self._pids[event.core], signal.SIGSTOP)
        self._encoded += isinstance(event, CoreEncoded) and event.core == 0
        if self.core is not None and self._encoded > 1 and not self._free:
            self._free = True
            os.kill(self._pids[self.core], self._then)


@pytest.mark.parametrize(
    ("plan", "stop"),
    [(WAVEFRONT, FIRST), (WAVEFRONT, EXACT), (CHORDS, FIRST), (CHORDS, SMALL)],
    ids=["wavefront", "wavefront to the end", "chords", "chords until it moves little"],
)
def test_samples_have_the_bits_that_they_have_one_after_the_other(
    plan: Plan, stop: StopRule, spec: Spec
) -> None:
    samples = wanted(plan, stop, 6)
    with pool_of(spec("flux", "float32"), CORES) as pool:
        alone = [pool.sample(one.plan, one.call, one.seed, one.stop) for one in samples]
        many = dict(pool.each(samples))
    assert [*many] == [*range(6)], "samples of one group are over in order"
    for number, before in enumerate(alone):
        after = many[number]
        assert after.chosen == before.chosen
        result = [one.outputs[one.chosen].latent for one in (before, after)]
        assert result[0] == result[1]


@pytest.mark.parametrize("plan", [WAVEFRONT, CHORDS], ids=["wavefront", "chords"])
def test_the_next_sample_begins_while_the_one_before_is_decoded(plan: Plan, spec: Spec) -> None:
    decoder = Decoder(signal.SIGCONT)
    frames: list[list[Any]] = [[], []]
    samples = [
        Wanted(plan=one.plan, call=one.call, seed=one.seed, stop=one.stop, on_output=took.append)
        for took in frames
        for one in wanted(plan, FIRST, 3)
    ]
    with pool_of(spec("flux", "float32"), CORES) as alone:
        for one in samples[:3]:
            alone.sample(one.plan, one.call, one.seed, one.stop, on_output=one.on_output)
    with pool_of(spec("flux", "float32"), CORES, listener=decoder.listen) as pool:
        assert [number for number, _ in pool.each(samples[3:])] == [0, 1, 2]
    before, after = frames
    assert [one.latent for one in after] == [one.latent for one in before]
    assert all((a.frames == b.frames).all() for a, b in zip(before, after, strict=True))
    assert decoder.core == plan.hits[1].core


def test_outputs_are_handed_on_in_order_while_the_next_sample_is_made(spec: Spec) -> None:
    begun, order = threading.Semaphore(0), list[str]()

    def take(number: int) -> Callable[[SampledOutput], None]:
        def taken(output: SampledOutput) -> None:
            if number < 2:
                assert begun.acquire(timeout=HANG), "the next one has begun"
            order.append(f"took {number}")

        return taken

    samples = [
        Wanted(
            plan=WAVEFRONT,
            call=CALL,
            seed=number,
            stop=FIRST,
            on_output=take(number),
            on_handed=lambda number=number: order.append(f"told {number}"),
            on_begin=lambda group, number=number: number and begun.release(),
        )
        for number in range(3)
    ]
    with pool_of(spec("flux", "float32"), CORES) as pool:
        for number, _ in pool.each(samples):
            order.append(f"made {number}")
    assert [what for what in order if what.startswith("took")] == ["took 0", "took 1", "took 2"]
    for number in range(3):
        steps = [f"{what} {number}" for what in ("took", "told", "made")]
        assert [what for what in order if what in steps] == steps


def test_a_sample_whose_outputs_are_all_kept_leaves_no_core_to_the_next(spec: Spec) -> None:
    told: list[str] = []
    samples = [
        Wanted(
            plan=WAVEFRONT,
            call=CALL,
            seed=number,
            stop=FIRST,
            keep=True,
            on_begin=lambda group: told.append("begin"),
        )
        for number in range(2)
    ]

    def listen(event: Event) -> None:
        if isinstance(event, OutputLanded):
            told.append("landed")

    with pool_of(spec("flux", "float32"), CORES, listener=listen) as pool:
        made = dict(pool.each(samples))
    assert told == (["begin"] + ["landed"] * len(WAVEFRONT.hits)) * 2
    assert all(output.size for sampled in made.values() for output in sampled.outputs)


def test_what_fails_with_an_output_stops_the_samples_and_leaves_its_latent(spec: Spec) -> None:
    begun, took = threading.Semaphore(0), list[int]()

    def take(output: SampledOutput) -> None:
        took.append(output.index)
        assert all(begun.acquire(timeout=HANG) for _ in range(2)), "the next one has begun"
        raise ChordsError("the disk is full", "make room")

    def begin(group: int) -> None:
        begun.release()

    with pool_of(spec("flux", "float32"), CORES) as pool:
        with pytest.raises(ChordsError, match=r"(?m)^the disk is full$"):
            list(pool.each(wanted(WAVEFRONT, FIRST, 4, on_output=take, on_begin=begin)))
        assert took == [1], "nothing is handed on after what has failed"
        arrived = pool.arrived(0)
        assert arrived is not None
        assert arrived.index == 1
        assert pool.arrived(2) is None, "it has not begun"


def test_whoever_leaves_early_waits_for_the_output_that_is_handed_on(spec: Spec) -> None:
    done: list[int] = []

    def take(output: SampledOutput) -> None:
        done.append(output.index)

    with (
        pool_of(spec("flux", "float32"), CORES) as pool,
        closing(pool.each(wanted(WAVEFRONT, FIRST, 3, on_output=take))) as samples,
    ):
        next(samples)
        assert len(done) >= 1
    assert not [thread for thread in threading.enumerate() if "chords-outputs" in thread.name]


def test_a_core_that_dies_while_it_decodes_is_named_although_the_next_has_begun(spec: Spec) -> None:
    decoder = Decoder(signal.SIGKILL)
    with (
        pytest.raises(ChordsError, match=r"core 3 on cpu died while .*: killed by SIGKILL"),
        pool_of(spec("flux", "float32"), CORES, listener=decoder.listen) as pool,
    ):
        list(pool.each(wanted(WAVEFRONT, FIRST, 8)))
    assert decoder.core == 3


def test_cores_of_two_processes_each_begin_the_next_sample_together(spec: Spec) -> None:
    plan = wavefront_plan(STEPS, 2, 6)
    samples = [
        Wanted(plan=plan, call=CALL | NEGATIVE | {"prompt": f"{n}"}, seed=n, stop=FIRST)
        for n in range(4)
    ]
    devices = {"members": 2, "decoders": frozenset({1})}
    with pool_of(spec("flux", "float32"), 4, **devices) as pool:
        alone = [pool.sample(one.plan, one.call, one.seed, one.stop) for one in samples]
        many = dict(pool.each(samples))
    assert [*many] == [*range(4)]
    for number, before in enumerate(alone):
        assert many[number].outputs[1].latent == before.outputs[1].latent


def test_another_sample_can_follow_many(spec: Spec) -> None:
    with pool_of(spec("flux", "float32"), CORES) as pool:
        first = dict(pool.each(wanted(WAVEFRONT, FIRST, 2)))
        one = wanted(WAVEFRONT, FIRST, 1)[0]
        again = pool.sample(one.plan, one.call, one.seed, one.stop)
        assert again.outputs[1].latent == first[0].outputs[1].latent
