"""What all tests share: nothing here makes a test depend on how fast the machine is."""

import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.doubles.warm import Warm, warm
from tests.waiting import HANG

settings.register_profile("chords", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("chords"), print_blob=True)
settings.load_profile("chords")

# Where tests run in the background of a shell, SIGINT is ignored, and all they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A thread that waits by spinning takes its time from others, and tests leave no processor idle.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="run every cell of tests/faults")
    parser.addoption("--long", action="store_true", help="run the long runs of tests/faults")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Ends a test that hangs, though not before everything it waits for has had its time."""
    if item.config.pluginmanager.hasplugin("timeout"):
        item.add_marker(pytest.mark.timeout(6 * HANG))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported stays: no collection of garbage goes through it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", name="warm")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Starts commands in processes that have imported torch; all workers of a session share it."""
    folder = tmp_path_factory.getbasetemp()
    with warm(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) as started:
        yield started


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny tensors are computed by one thread: several would only wait for each other."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
