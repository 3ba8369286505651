"""A core of several processes that share the tokens of every picture: the result stays."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch

from chords_cli.engine import processes
from chords_cli.engine.pool import Pool
from chords_cli.errors import ChordsError, UsageError
from chords_cli.events import CoreStarted, CoreStepped, Event
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import sequential_plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import call_of, pool_of
from tests.pipeline.members import NEGATIVE, PLANS, SEED, STEPS, gap, sampled
from tests.pipeline.oracle import Oracle
from tests.waiting import HANG

pytestmark = pytest.mark.broad

FAMILIES: dict[str, dict[str, Any]] = {
    "flux": NEGATIVE,
    "flux2-klein": {},
    "qwen-image": {},
    "wan": {"height": 32, "width": 32},
}
"""Families whose models have a plan for it, and what makes them guided."""

CLOSE = {"wan": 0.0}
"""How far a part of the tokens may round otherwise, in units of the latent's RMS."""

Spec = Callable[[str, str], ModelSpec]
Loaded = Callable[[str, str], Any]


def called(family: str) -> dict[str, Any]:
    return call_of(family, STEPS) | FAMILIES[family]


def shared_pool(spec: ModelSpec, cores: int, branches: int = 1, **settings: Any) -> Pool:
    """A pool of so many cores, each of `branches` times two processes."""
    members = 2 * branches
    defaults: dict[str, Any] = {
        "decoders": frozenset(range(cores)),
        "members": members,
        "contexts": 2,
    }
    return pool_of(spec, members * cores, **(defaults | settings))


@pytest.mark.parametrize("branches", [1, 2], ids=["whole", "split"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_output_of_cores_that_share_tokens_is_that_of_whole_ones(
    family: str, branches: int, spec: Spec, loaded: Loaded
) -> None:
    call, close = called(family), CLOSE.get(family, 4e-6)
    oracle = Oracle(loaded(family, "float32"), call, SEED)
    with shared_pool(spec(family, "float32"), 2, branches) as pool:
        for name, plan in PLANS.items():
            made = sampled(pool, plan, call)
            for output, expected in zip(made, oracle.outputs(plan), strict=True):
                assert gap(output, expected.latent) <= close, name
        again = sampled(pool, plan, call)
    assert all(map(torch.equal, made, again))


def test_a_picture_of_fewer_tokens_than_members_is_refused(spec: Spec) -> None:
    call = called("wan") | {"height": 16, "width": 16, "num_frames": 1}
    with (
        pytest.raises(UsageError, match=r"core 0.* has fewer tokens here than a context can share"),
        shared_pool(spec("wan", "float32"), 1) as pool,
    ):
        pool.sample(PLANS["alone"], call, SEED, StopRule())


def test_stopping_early_leaves_nothing_on_the_way_to_the_next_picture(spec: Spec) -> None:
    plan, call = PLANS["wavefront"], called("flux")
    other = call | {"prompt": "a dog"}
    with shared_pool(spec("flux", "float32"), 2) as pool:
        before = sampled(pool, plan, call) + sampled(pool, plan, other)
        for seed in range(4):
            at_once = StopRule(criterion="residual", residual=1e9)
            assert pool.sample(plan, call, seed, at_once).chosen == 1
            assert pool.sample(plan, other, seed, StopRule(index=0)).chosen == 0
        after = sampled(pool, plan, call) + sampled(pool, plan, other)
    assert all(map(torch.equal, before, after))


class Signaller:
    """A listener that sends one process of core 0 a signal once the core has taken a step."""

    def __init__(self, member: int, number: int) -> None:
        self._member, self._number = member, number
        self._pids: dict[int, int] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, CoreStarted) and event.pid:
            self._pids[event.member] = event.pid
        if isinstance(event, CoreStepped) and self._member in self._pids:
            os.kill(self._pids.pop(self._member), self._number)


KILLED = (signal.SIGKILL, HANG, "died while taking a step: killed by SIGKILL")
STOPPED = (signal.SIGSTOP, 3.0, "hangs: no sign of life for 3 s while taking a step")


@pytest.mark.parametrize(
    ("branches", "member", "name", "number", "timeout", "how"),
    [
        (1, 0, "core 0", *KILLED),
        (1, 1, "core 0's helper", *KILLED),
        (2, 3, "core 0's helper 3", *KILLED),
        (1, 0, "core 0", *STOPPED),
        (2, 3, "core 0's helper 3", *STOPPED),
    ],
)
def test_a_member_that_others_wait_for_inside_the_model_ends_the_run_with_its_name(
    branches: int,
    member: int,
    name: str,
    number: int,
    timeout: float,
    how: str,
    spec: Spec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_KILL_SECONDS", 0.1)  # one that was stopped has to be killed
    steps, listener = 400, Signaller(member, number)
    call = called("flux") | {"num_inference_steps": steps}
    model = spec("flux", "float32")
    with (
        pytest.raises(ChordsError) as caught,
        shared_pool(model, 1, branches, listener=listener, timeout=timeout) as pool,
    ):
        pool.sample(sequential_plan(steps), call, SEED, StopRule())
    assert caught.value.message == f"{name} on cpu {how}"
