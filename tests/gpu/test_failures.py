"""What goes wrong on a device is said as such, and the device is free again."""

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from chords_cli.errors import ChordsError
from chords_cli.events import CoreStarted, CoreStepped, Event
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests.gpu.conftest import on_a_device
from tests.gpu.models import SEED, STEPS, Models, call
from tests.waiting import until

CORES, VICTIM = 4, 1
MEMORY = "the return of the device's memory, for which a driver takes its time"


@dataclass
class Killed:
    """A run whose core `VICTIM` was killed while it sampled, and what the first device had free."""

    models: Models
    pids: dict[int, int] = field(default_factory=dict)
    before: int = 0
    during: int = 0
    message: str = ""
    over: bool = False

    def hear(self, event: Event) -> None:
        if isinstance(event, CoreStarted) and event.pid:
            self.pids[event.core] = event.pid
        if isinstance(event, CoreStepped) and event.core == VICTIM and not self.over:
            self.during, self.over = self.models.free(), True
            os.kill(self.pids[VICTIM], signal.SIGKILL)


@pytest.fixture(scope="module")
def killed(models: Models) -> Killed:
    run = Killed(models, before=models.free())
    plan = chords_plan(STEPS, default_init_t(STEPS, CORES))
    with (
        pytest.raises(ChordsError) as caught,
        models.pool(models.spec("flux"), CORES, run.hear) as pool,
    ):
        pool.sample(plan, call("flux"), SEED, StopRule(), keep=True)
    run.message = caught.value.message
    return run


def test_a_killed_core_is_named_and_leaves_no_process(killed: Killed) -> None:
    device = killed.models.devices[VICTIM % len(killed.models.devices)]
    died = rf"core {VICTIM} on {device} died while [a-z ]+: killed by SIGKILL"
    assert re.fullmatch(died, killed.message)
    assert not any(_runs(pid) for pid in killed.pids.values())


@on_a_device
def test_a_killed_core_frees_the_device(killed: Killed) -> None:
    taken = killed.before - killed.during
    assert taken > 0, "cores take memory"
    until(lambda: killed.before - killed.models.free() < taken / 4, MEMORY)


@on_a_device
def test_out_of_memory_is_said_as_such_and_frees_the_device(
    chords: Callable[..., str], models: Models, tmp_path: Path
) -> None:
    """At this size every tensor in the transformer takes 2 GB, and 4 GB are left."""
    scheduler = {
        "class": "FlowMatchEulerDiscreteScheduler",
        "args": {"use_dynamic_shifting": False},
    }
    preset = models.preset("flux", scheduler=scheduler)  # its shift has no number for such a size
    size = ("--width", 8192, "--height", 8192)
    line = ("image", "a cat", "--model", preset, *size, "--cores", 2)
    with models.held(free=4 * 2**30):
        before = models.free()
        said = chords(*line, "--output", tmp_path / "large", code=1)
        assert f": out of memory on {models.devices[0]} while " in said
        assert "hint: use a smaller --width" in said
        until(lambda: models.free() > 0.9 * before, MEMORY)


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
