"""Long runs stay as they begin: no process grows, and the last output is that of a fresh run."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.driver import Run
from tests.faults.long import Long, Watched, growing, prompts, table, watch

RUNS = (
    Long(kind="image", prompts=prompts(300), cores=4, steps=8),
    Long(kind="video", prompts=prompts(30), cores=4, steps=8),
)


def test_a_process_that_grows_is_named() -> None:
    flat = [100.0, *[150.0] * 39]
    leaks = [150.0 + n / 2 for n in range(40)]
    watched = {
        "0": Watched(memory=flat, descriptors=[13] * 40),
        "1": Watched(memory=leaks, descriptors=[13] * 30 + [14] * 10),
    }
    assert growing(watched) == [
        "1: 167.2 MB in samples 31-40, 157.2 MB in samples 11-20",
        "1: 14 descriptors in samples 31-40, 13 in samples 11-20",
    ]


@pytest.mark.parametrize("long", RUNS, ids=[run.kind for run in RUNS])
def test_a_long_run_stays_as_it_begins(
    long: Long, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("--long"):
        pytest.skip("takes minutes: `make test-long` runs it")
    cell = long.cell(tmp_path)
    run = Run(cell, tmp_path / "long", None)
    began = time.monotonic()
    run.start()
    watched = watch(run, len(long.prompts))
    seconds = time.monotonic() - began
    assert run.process.wait() == 0, run.said
    ending = ".mp4" if long.kind == "video" else ".png"
    made = sorted(run.out.glob(f"*{ending}"))
    others = list[str]()
    for number in (0, len(long.prompts) // 2, -1):
        command = (long.kind, long.prompts[number], "--steps", str(long.steps))
        alone = Run(replace(cell, command=command), tmp_path / f"alone{number}", None)
        alone.start()
        assert alone.wait() == 0, alone.said
        (same,) = alone.out.glob(f"*{ending}")
        if same.read_bytes() != made[number].read_bytes():
            others.append(made[number].name)
    wrong = [*growing(watched), *(f"{name}: other bits than alone" for name in others)]
    if log := os.environ.get("FAULTS_LOG"):
        line = {
            "kind": "long",
            "what": f"{len(long.prompts)} {long.kind}s",
            "cores": long.cores,
            "steps": long.steps,
            "seconds": round(seconds),
            "processes": table(watched),
            "wrong": wrong,
        }
        with Path(log).open("a") as file:
            file.write(json.dumps(line) + "\n")
    assert len(made) == len(long.prompts)
    assert not wrong
