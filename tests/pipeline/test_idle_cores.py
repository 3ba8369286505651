"""Plans with fewer cores than the pool: the others stay idle, and nobody can tell."""

from collections.abc import Callable

import pytest

from chords_cli.engine.pool import Sampled
from chords_cli.events import CoreEvent, Event
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.plan import Plan, sequential_plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import call_of, pool_of

STEPS, SEED, CORES = 12, 7, 3

Spec = Callable[[str, str], ModelSpec]


def plan_of(cores: int) -> Plan:
    return chords_plan(STEPS, default_init_t(STEPS, cores))


def latents(sampled: Sampled) -> list[object]:
    return [output.latent for output in sampled.outputs]


@pytest.fixture(scope="module")
def alone(spec: Spec) -> dict[int, Sampled]:
    """What pools of just the right size make, by their number of cores."""
    made = {}
    for cores in (1, 2, CORES):
        with pool_of(spec("flux", "float32"), cores) as pool:
            made[cores] = pool.sample(plan_of(cores), call_of("flux", STEPS), SEED, StopRule())
    return made


def test_plans_of_any_size_take_turns_in_one_pool_and_keep_their_bits(
    spec: Spec, alone: dict[int, Sampled]
) -> None:
    call = call_of("flux", STEPS)
    with pool_of(spec("flux", "float32"), CORES) as pool:
        for cores in (CORES, 1, 2, CORES, 2, 1, CORES):
            sampled = pool.sample(plan_of(cores), call, SEED, StopRule())
            assert latents(sampled) == latents(alone[cores]), cores
            assert len(sampled.peak_memory) == cores


def test_idle_cores_say_nothing(spec: Spec) -> None:
    heard: list[Event] = []
    with pool_of(spec("flux", "float32"), 2, listener=heard.append) as pool:
        heard.clear()
        pool.sample(sequential_plan(STEPS), call_of("flux", STEPS), SEED, StopRule())
        assert {event.core for event in heard if isinstance(event, CoreEvent)} == {0}


def test_prompt_is_encoded_once_for_equal_samples_unless_they_encode_it_again(spec: Spec) -> None:
    call = call_of("flux", STEPS)
    with pool_of(spec("flux", "float32"), 2) as pool:
        first, replayed = (pool.sample(plan_of(2), call, SEED, StopRule()) for _ in range(2))
        again = pool.sample(plan_of(2), call, SEED, StopRule(), again=True)
    assert first.encode_seconds > 0 == replayed.encode_seconds < again.encode_seconds
    assert latents(first) == latents(replayed) == latents(again)
