"""The suite for machines with CUDA devices; its tests are skipped elsewhere, with a word.

It runs on the devices that the environment variable CHORDS_TEST_DEVICE names, such as `cuda:1` or
`cuda:0,cuda:1`, else on all CUDA devices. `cpu` tries the suite itself: all but what only a device
can do. Nothing but torch is imported here: without a device, that is all that happens.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from chords_cli.cli.app import run
from chords_cli.engine.devices import checked_devices

if TYPE_CHECKING:
    from tests.gpu.models import Models


def _devices() -> tuple[str, ...]:
    """The devices under test; none where there is no CUDA device and nothing was asked for."""
    if named := os.environ.get("CHORDS_TEST_DEVICE"):
        return checked_devices(named.split(","))
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


DEVICES = _devices()

NO_DEVICE = "torch sees no CUDA device here; CHORDS_TEST_DEVICE=cpu runs this suite on the CPU"

on_a_device = pytest.mark.skipif("cpu" in DEVICES, reason="only a device has memory of its own")


class _Absent(pytest.Item):
    """What stands for the tests of a file that is not even imported."""

    def runtest(self) -> None:
        pytest.skip(NO_DEVICE)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


class _Unread(pytest.Module):
    def collect(self) -> Iterator[pytest.Item]:
        yield _Absent.from_parent(self, name="tests of devices")


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    return None if DEVICES else _Unread.from_parent(parent, path=module_path)


@pytest.fixture(scope="package", autouse=True)
def _plain_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No colours, no presets of the user who runs the tests, workers started as by default."""
    with pytest.MonkeyPatch.context() as world:
        world.setenv("COLUMNS", "200")
        world.setenv("NO_COLOR", "1")
        world.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        for name in ("CHORDS_DEBUG", "CHORDS_START", "FORCE_COLOR"):
            world.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> "Models":
    """All models that are tested, on the devices under test."""
    from tests.gpu.models import Models

    return Models(tmp_path_factory.mktemp("models"), DEVICES)


@pytest.fixture(scope="session")
def chords() -> Callable[..., str]:
    """Runs a command line on the devices under test; gives what it said on standard error."""

    def call(*arguments: object, code: int = 0) -> str:
        with redirect_stderr(StringIO()) as said, redirect_stdout(StringIO()):
            ended = run([*map(str, arguments), "--devices", ",".join(DEVICES)])
        assert ended == code, said.getvalue()
        return said.getvalue()

    return call
