"""A trial of the exchange: real processes hand a latent on, and none outlives it."""

import multiprocessing
import os
import time
from typing import Any

import pytest

from chords_cli.engine.exchange.trials.trial import Round, Trial
from chords_cli.engine.exchange.trials.trying import run_trial
from chords_cli.engine.start import StartMethod, preload
from chords_cli.errors import ChordsError
from tests.waiting import HANG


@pytest.fixture(scope="module")
def context() -> Any:
    preload("FluxPipeline")
    return StartMethod("fork").context


def trial(**changed: Any) -> Trial:
    told = {"devices": ("cpu", "cpu"), "elements": 2048, "repeats": 2, "patience": HANG}
    return Trial(**{**told, **changed})


def rest(_: int) -> None:
    """Does nothing in a round."""


def fails(core: int, *_: Any) -> Round:
    """Core 1 cannot begin."""
    if core:
        raise RuntimeError("CUDA error: no kernel image\nis available")
    return rest


def dies(core: int, *_: Any) -> Round:
    """Core 1 is killed for its memory."""
    if core:
        os._exit(9)
    return rest


def hangs(core: int, *_: Any) -> Round:
    """Core 1 is stuck in a call."""
    if core:
        time.sleep(10 * HANG)
    return rest


def children() -> list[str]:
    return [one.name for one in multiprocessing.active_children() if "trial" in one.name]


def test_every_round_that_counts_is_timed(context: Any) -> None:
    times = run_trial(trial(), context)
    assert len(times.rounds) == 2
    assert all(seconds > 0 for seconds in (*times.rounds, times.own))
    assert children() == []


def test_three_processes_hand_a_latent_through(context: Any) -> None:
    times = run_trial(trial(devices=("cpu",) * 3, repeats=1), context)
    assert len(times.rounds) == 1


@pytest.mark.parametrize(
    ("way", "patience", "told"),
    [
        (fails, HANG, "process 1 on cpu: RuntimeError: CUDA error: no kernel image is available"),
        (dies, HANG, "process 1 on cpu died|process 0 on cpu: "),
        (hangs, 2.0, "no answer from process|in vain"),
    ],
)
def test_a_process_that_does_not_get_on_is_named_and_none_stays(
    context: Any, way: Any, patience: float, told: str
) -> None:
    with pytest.raises(ChordsError, match=told):
        run_trial(trial(patience=patience), context, way)
    assert children() == []


def test_a_device_that_is_not_here_is_named(context: Any) -> None:
    with pytest.raises(ChordsError, match=r"process \d on "):
        run_trial(trial(devices=("cpu", "cuda:77")), context)
    assert children() == []
