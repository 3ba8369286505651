"""A study that is killed leaves no processes behind."""

import subprocess
import sys
from pathlib import Path

import psutil

from tests.waiting import HANG

ROOT = Path(__file__).parents[3]

STUDY = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from benchmarks.study.parent import end_with_parent

pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), end_with_parent)
print(pool.submit(os.getpid).result(), flush=True)
time.sleep(600)
"""


def test_idle_processes_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUDY], stdout=subprocess.PIPE, cwd=ROOT) as study:
        assert study.stdout is not None
        worker = psutil.Process(int(study.stdout.readline()))
        study.kill()
        worker.wait(HANG)
    assert not worker.is_running()
