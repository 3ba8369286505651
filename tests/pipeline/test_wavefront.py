"""The wavefront in real processes: core 0 against stock, every output against the oracle."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch

from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import wavefront_plan
from chords_cli.sampler.stop import StopRule
from tests.doubles import tiny
from tests.pipeline.conftest import Shared, as_tensor, call_of, pool_of, threads_of
from tests.pipeline.oracle import pipeline_outputs, stock_latent

STEPS, SEED = 12, 7

SHARED = ("flux", "wan")
"""Families whose cores other tests here need as well."""

Spec = Callable[[str, str], ModelSpec]
Loaded = Callable[[str, str], Any]


@pytest.mark.parametrize(
    ("family", "cores", "rounds"),
    [
        *(
            pytest.param(family, 4, 6, marks=() if family in SHARED else pytest.mark.broad)
            for family in tiny.BUILDERS
        ),
        ("flux", 2, 7),
        ("flux", 3, 7),
        ("flux", 8, 5),
    ],
)
def test_every_output_equals_the_oracle_and_core_zero_is_stock(
    family: str, cores: int, rounds: int, spec: Spec, loaded: Loaded, shared: Shared
) -> None:
    pipe, call = loaded(family, "float32"), call_of(family, STEPS)
    plan = wavefront_plan(STEPS, cores, rounds)
    own = pool_of(spec(family, "float32"), cores)
    # the shared ones have more cores than some plans
    with nullcontext(shared(family)) if family in SHARED else own as pool:
        outputs = pool.sample(plan, call, SEED, StopRule(), keep=True).outputs
        again = pool.sample(plan, call, SEED, StopRule(), keep=True).outputs
    expected = pipeline_outputs(pipe, call, SEED, plan)
    assert len(outputs) == len(expected) == cores + 1
    for output, oracle in zip(outputs, expected, strict=True):
        assert (output.core, output.round) == (oracle.core, oracle.round)
        assert torch.equal(as_tensor(output.latent), oracle.latent), output.index
    assert torch.equal(as_tensor(outputs[-1].latent), stock_latent(pipe, call, SEED))
    assert [output.latent for output in outputs] == [output.latent for output in again]


DPM = {
    "class": "DPMSolverMultistepScheduler",
    "from_config": True,
    "args": {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "solver_order": 2},
}


@pytest.mark.parametrize("scheduler", [None, DPM], ids=["UniPC", "DPM++ 2M"])
def test_multistep_schedulers_are_carried_on_their_own_path_by_any_number_of_cores(
    scheduler: dict[str, Any] | None, spec: Spec, shared: Shared
) -> None:
    model, call = replace(spec("wan", "float32"), scheduler=scheduler), call_of("wan", STEPS)
    pipe = load_pipeline(model, device=torch.device("cpu"), encodes=True, decodes=True)
    with pool_of(model, 8) if scheduler else nullcontext(shared("wan")) as pool:
        for cores, rounds in ((2, 8), (4, 7), (8, 6)):
            plan = wavefront_plan(STEPS, cores, rounds)
            outputs = pool.sample(plan, call, SEED, StopRule(), keep=True).outputs
            with threads_of(cores):
                expected = pipeline_outputs(pipe, call, SEED, plan)
                stock = stock_latent(pipe, call, SEED)
            for output, oracle in zip(outputs, expected, strict=True):
                assert torch.equal(as_tensor(output.latent), oracle.latent), output.index
            assert torch.equal(as_tensor(outputs[-1].latent), stock)


def test_a_run_of_three_cores_or_more_tells_how_far_its_result_may_be(shared: Shared) -> None:
    """As far as the oracle's cores were corrected; of the exact result there is nothing to tell."""
    pool, call = shared("wan"), call_of("wan", STEPS)
    told = {
        (cores, index): pool.sample(plan, call, SEED, StopRule(index=index)).within
        for cores in (2, 4)
        for index in (1, cores)
        if (plan := wavefront_plan(STEPS, cores, 7))
    }
    assert [at for at, within in told.items() if within is not None] == [(4, 1)]
    assert told[4, 1] > 0


def test_one_core_equals_the_oracle_to_rounding(shared: Shared, loaded: Loaded) -> None:
    """One core has all the threads of the machine, so bits may differ from one thread's."""
    pipe, call = loaded("flux", "float32"), call_of("flux", STEPS)
    plan = wavefront_plan(STEPS, 1, 6)
    pool = shared("flux")
    outputs = pool.sample(plan, call, SEED, StopRule(), keep=True).outputs
    for output, oracle in zip(outputs, pipeline_outputs(pipe, call, SEED, plan), strict=True):
        torch.testing.assert_close(as_tensor(output.latent), oracle.latent, rtol=1e-5, atol=1e-5)


def test_stopping_early_leaves_nothing_on_the_way_to_the_next_sample(shared: Shared) -> None:
    plan, call = wavefront_plan(STEPS, 4, 6), call_of("flux", STEPS)
    at_once = StopRule(criterion="residual", residual=1e9)
    pool = shared("flux")
    before = pool.sample(plan, call, SEED, StopRule(), keep=True).outputs
    for seed in range(5):
        assert pool.sample(plan, call, seed, at_once).chosen == 1
    after = pool.sample(plan, call, SEED, StopRule(), keep=True).outputs
    assert [output.latent for output in before] == [output.latent for output in after]


def test_an_output_of_the_previews_own_round_is_no_sign_of_convergence(shared: Shared) -> None:
    plan, call = wavefront_plan(STEPS, 2, 3), call_of("flux", STEPS)
    pool = shared("flux")
    sampled = pool.sample(plan, call, SEED, StopRule(criterion="residual", residual=1e9))
    assert [output.round for output in sampled.outputs] == [3, 3, STEPS]
    assert [output.residual is None for output in sampled.outputs] == [True, True, False]
    assert sampled.chosen == 2
