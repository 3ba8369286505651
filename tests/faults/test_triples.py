"""Whatever is done to whichever process whenever: no hang, nobody left, nothing lost."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.doubles.warm import Warm
from tests.faults.driver import Run, observe, pixels_of
from tests.faults.triples import PLAIN, SEED, STOP, Strike, Triple, cell_of, doubts_of, draw


@dataclass(frozen=True)
class Undisturbed:
    """The run to which nothing is done: its pictures and its time."""

    pixels: dict[str, str]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    for _ in range(2):  # the first one reads what the second one finds read
        run = Run(PLAIN, tmp_path_factory.mktemp("undisturbed"), warm.start)
        run.start()
        assert run.wait() == 0, run.said
        seconds = time.time() - run.began
    return Undisturbed({path.name: pixels_of(path) for path in run.out.glob("*.png")}, seconds)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "triple" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--all-faults")
        triples = draw() if everything else []
        metafunc.parametrize("triple", triples, ids=[one.name for one in triples])


def test_a_seed_stands_for_the_same_triples_of_every_kind() -> None:
    triples = draw()
    assert triples == draw()
    assert {(one.kind, one.target) for one in triples} == {
        (kind, target)
        for kind in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGSEGV", "SIGABRT", STOP)
        for target in ("0", "1", "2", "server", "command")
    }
    assert min(one.moment for one in triples if one.early) < 0.02
    assert max(one.moment for one in triples if not one.early) > 1


def test_a_signal_at_any_moment_loses_nothing(
    triple: Triple, undisturbed: Undisturbed, warm: Warm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    strike = Strike(triple, undisturbed.seconds)
    cell = cell_of(triple, strike)
    folder = tmp_path_factory.mktemp("run") / "disturbed"
    found = observe(cell, folder, warm.start, undisturbed.pixels)
    wrong = doubts_of(triple, strike, cell, found)
    if log := os.environ.get("FAULTS_LOG"):
        line = {"kind": "triple", "seed": SEED, "number": triple.number, "what": cell.what}
        line |= {"phase": cell.phase, **asdict(found), "wrong": wrong}
        with Path(log).open("a") as file:
            file.write(json.dumps(line) + "\n")
    assert not wrong, found.said
