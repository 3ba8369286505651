"""What a comparison that is killed leaves is in one folder, which the next command removes."""

import os
import signal
from dataclasses import replace

import pytest

from tests.doubles.warm import Warm
from tests.faults.cells import send
from tests.faults.driver import Cell, Run

COMPARISON = Cell(
    phase="between samples",
    what="the command is killed",
    command=("compare", "a red heart", "--steps", "4"),
    cores=2,
    num=1,
    act=send("command", signal.SIGKILL, "1/7 done"),
)


def test_frames_of_a_killed_comparison_do_not_stay(
    warm: Warm, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("--all-faults"):
        pytest.skip("`make test-faults` runs it")
    folder = tmp_path_factory.mktemp("run")
    killed = Run(COMPARISON, folder / "killed", warm.start)
    killed.start()
    assert killed.wait() == -signal.SIGKILL, killed.said
    (left,) = killed.temporary.glob("chords*")
    assert [*left.rglob("*.npy")]
    os.utime(left, (0, 0))
    plain = replace(COMPARISON, command=("image", "a red heart", "--steps", "4"), act=None)
    following = Run(replace(plain, env={"TMPDIR": str(killed.temporary)}), folder / "b", warm.start)
    following.start()
    assert following.wait() == 0, following.said
    assert not [*killed.temporary.glob("chords*")]
