"""How processes begin: what they find, what they must not find, and what makes them spawn."""

import os
import signal

import pytest
import torch

from chords_cli.engine import start
from chords_cli.errors import ChordsError, UsageError


@pytest.fixture(scope="module", autouse=True)
def _running() -> None:
    """The process that others are forked from."""
    start.preload("FluxPipeline")


def poisoned(kinds: list[str]) -> str | None:
    """What a process answers that was forked after the first of `kinds` had been used."""
    return kinds[0]


def environment() -> dict[str, str]:
    return dict(os.environ)


def fails() -> None:
    raise RuntimeError("libcuda.so.1 is of another version")


def test_accelerators_are_asked_of_the_driver_in_every_process() -> None:
    assert start.ask(environment)["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"


def test_processes_search_no_module_in_the_working_directory_and_this_one_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert start.ask(environment)["PYTHONSAFEPATH"] == "1"
    assert "PYTHONSAFEPATH" not in os.environ
    assert os.environ["PYTHONPATH"] == "elsewhere"


def test_processes_that_are_started_never_hear_ctrl_c() -> None:
    with start.starting():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_cores_are_forked_where_nothing_speaks_against_it() -> None:
    assert start.start_method(("cpu", "cpu")) == start.Start("fork")
    assert start.start_method(("cuda:0", "cuda:1")) == start.Start("fork")


def test_cores_on_a_device_that_was_used_before_the_fork_are_spawned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start, "used_before_fork", poisoned)
    chosen = start.start_method(("cuda:0", "cuda:1"))
    assert chosen.method == "spawn"
    assert chosen.reason == "something that was imported had used cuda before the fork"
    assert start.start_method(("cpu", "cpu")) == start.Start("fork")


@pytest.mark.parametrize("bad", [True, False])
def test_torch_is_asked_whether_a_fork_came_too_late(
    bad: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: bad)
    assert start.used_before_fork(["cuda"]) == ("cuda" if bad else None)


def test_spawn_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHORDS_START", "spawn")
    assert start.start_method(("cpu",)) == start.Start("spawn", "CHORDS_START is spawn")


def test_another_way_to_start_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHORDS_START", "threads")
    with pytest.raises(UsageError, match=r"^CHORDS_START is 'threads', but") as caught:
        start.asked_method()
    assert caught.value.hint == "unset CHORDS_START, or set it to spawn"


def test_a_process_that_cannot_answer_is_quoted() -> None:
    with pytest.raises(ChordsError) as caught:
        start.ask(fails)
    assert caught.value.message == (
        "torch could not be asked for its devices "
        "(RuntimeError: libcuda.so.1 is of another version)"
    )
