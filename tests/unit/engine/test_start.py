"""How processes begin: what they find, what they must not find, and what makes them spawn."""

import gc
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from chords_cli.engine import start
from chords_cli.engine.start import LOG_VARIABLE, PIPELINE_VARIABLE
from chords_cli.errors import ChordsError, UsageError


@pytest.fixture(scope="module", autouse=True)
def _running() -> None:
    """The process that others are forked from."""
    start.preload("FluxPipeline")


def poisoned(kinds: list[str]) -> str | None:
    """What a process answers that was forked after the first of `kinds` had been used."""
    return kinds[0]


def clean(kinds: list[str]) -> str | None:
    """What a process answers that was forked before any of `kinds` was used."""
    return None


def environment() -> dict[str, str]:
    return dict(os.environ)


def collection() -> tuple[bool, bool]:
    """Whether a process collects garbage, and whether most of what it has is spared."""
    return gc.isenabled(), gc.get_freeze_count() > gc.get_count()[0] + len(gc.get_objects())


def fails() -> None:
    raise RuntimeError("libcuda.so.1 is of another version")


def test_processes_collect_garbage_but_not_among_what_was_imported_before_the_fork() -> None:
    assert start.ask(collection) == (True, True)


WATCH = """
import importlib.abc, os, sys

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print(os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK"), file=sys.__stdout__)
            os._exit(0)

said = os.dup(1)
sys.meta_path.insert(0, Watch())
sys.__stdout__ = os.fdopen(said, "w", buffering=1)
import chords_cli.engine.preload
"""


def test_the_driver_is_asked_for_cuda_before_torch_is_imported(tmp_path: Path) -> None:
    """Asking the CUDA runtime would keep every process that is forked later from using it."""
    told = {LOG_VARIABLE: str(tmp_path / "log"), PIPELINE_VARIABLE: "FluxPipeline"}
    plain = {k: v for k, v in os.environ.items() if k != "PYTORCH_NVML_BASED_CUDA_CHECK"}
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        env=plain | told,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1\n", done.stderr


def test_processes_search_no_module_in_the_working_directory_and_this_one_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert start.ask(environment)["PYTHONSAFEPATH"] == "1"
    assert "PYTHONSAFEPATH" not in os.environ
    assert os.environ["PYTHONPATH"] == "elsewhere"


def test_threads_that_start_processes_at_once_leave_the_environment_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    before = dict(os.environ)
    with ThreadPoolExecutor(1) as other:
        with start.starting():
            answer = other.submit(start.ask, environment)
            with suppress(TimeoutError):
                answer.result(0.2)  # it waits for its turn
        assert answer.result()["HF_HUB_OFFLINE"] == "1"
    assert dict(os.environ) == before


def blocks_ctrl_c() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_processes_never_hear_ctrl_c_and_this_one_does_again() -> None:
    assert start.ask(blocks_ctrl_c)
    with start.starting():
        assert blocks_ctrl_c()
    assert not blocks_ctrl_c()


def test_the_first_process_of_all_hears_no_ctrl_c_either() -> None:
    """Python starts its resource tracker with the first one, and unblocks signals in passing."""
    code = (
        "from chords_cli.engine import start\n"
        "from tests.unit.engine.test_start import blocks_ctrl_c\n"
        "if __name__ == '__main__':\n"
        "    print(start.ask(blocks_ctrl_c))\n"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_cores_are_forked_where_nothing_speaks_against_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert start.start_method(("cpu", "cpu")) == start.StartMethod("fork")
    monkeypatch.setattr(start, "used_before_fork", clean)
    assert start.start_method(("cuda:0", "cuda:1")) == start.StartMethod("fork")


def test_cores_on_a_device_that_was_used_before_the_fork_are_spawned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start, "used_before_fork", poisoned)
    chosen = start.start_method(("cuda:0", "cuda:1"))
    assert chosen.method == "spawn"
    assert chosen.reason == "something that was imported had used cuda before the fork"
    assert start.start_method(("cpu", "cpu")) == start.StartMethod("fork")


@pytest.mark.parametrize("bad", [True, False])
def test_torch_is_asked_whether_a_fork_came_too_late(
    bad: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: bad)
    assert start.used_before_fork(["cuda"]) == ("cuda" if bad else None)


def test_spawn_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHORDS_START", "spawn")
    assert start.start_method(("cpu",)) == start.StartMethod("spawn", "CHORDS_START is spawn")


def test_another_way_to_start_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHORDS_START", "threads")
    with pytest.raises(UsageError, match=r"^CHORDS_START is 'threads', but") as caught:
        start.requested_method()
    assert caught.value.hint == "unset CHORDS_START, or set it to spawn"


def test_a_process_that_cannot_answer_is_quoted() -> None:
    with pytest.raises(ChordsError) as caught:
        start.ask(fails)
    assert caught.value.message == (
        "torch could not be asked for its devices "
        "(RuntimeError: libcuda.so.1 is of another version)"
    )
