"""Every cell ends as it should; `make test-all` runs those that are `quick`."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.doubles.warm import Warm
from tests.faults.cells import CELLS
from tests.faults.driver import Cell, Run, doubts, observe, pixels_of

pytestmark = pytest.mark.slow

Pixels = dict[tuple[int, tuple[str, ...]], dict[str, str]]


@pytest.fixture(scope="module")
def known() -> Pixels:
    """The pictures of undisturbed runs, by the number of cores and the command."""
    return {}


def undisturbed(cell: Cell, known: Pixels, folder: Path, warm: Warm) -> dict[str, str]:
    """The pictures that the cell's command makes where nothing is done to it."""
    which = cell.cores, cell.command
    if which not in known:
        plain = Cell(phase="", what="", command=cell.command, cores=cell.cores)
        run = Run(plain, folder, warm.start)
        run.start()
        assert run.wait() == 0, run.said
        known[which] = {path.name: pixels_of(path) for path in run.out.glob("*.png")}
    return known[which]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everything = metafunc.config.getoption("--all-faults")
    cells = [cell for cell in CELLS if cell.quick or everything]
    metafunc.parametrize("cell", cells, ids=[cell.name for cell in cells])


def test_a_fault_is_named_and_leaves_nothing(
    cell: Cell, known: Pixels, warm: Warm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if cell.needs and (reason := cell.needs()):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("run")
    pixels = undisturbed(cell, known, folder / "undisturbed", warm)
    found = observe(cell, folder / "disturbed", warm.start, pixels)
    wrong = doubts(cell, found)
    if log := os.environ.get("FAULTS_LOG"):
        with Path(log).open("a") as file:
            line = {"kind": "cell", "what": cell.what, "phase": cell.phase}
            line |= {"timeout": "--timeout" in cell.args, **asdict(found), "wrong": wrong}
            file.write(json.dumps(line) + "\n")
    assert not wrong, found.said
