"""The commands that tests fork are what `subprocess` would have started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.doubles.warm import RELAY, Warm
from tests.waiting import HANG, ended

LINE = ("plan", "--cores", "0")
WORLD = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}


def test_a_forked_command_answers_as_one_that_starts_from_nothing(warm: Warm, tmp_path: Path):
    fresh = subprocess.run(
        [sys.executable, "-m", "chords_cli", *LINE],
        cwd=tmp_path,
        env=WORLD | {"PYTHONPATH": str(RELAY.parents[2])},
        capture_output=True,
        text=True,
    )
    forked = warm.start(*LINE, cwd=tmp_path, env=WORLD)
    assert (*ended(forked), forked.returncode) == (fresh.stdout, fresh.stderr, fresh.returncode)
    relayed = subprocess.run(
        [sys.executable, RELAY, warm.address, *LINE],
        cwd=tmp_path,
        env=WORLD,
        capture_output=True,
        text=True,
    )
    assert (relayed.stderr, relayed.returncode) == (fresh.stderr, fresh.returncode)


def test_a_forked_command_that_is_killed_says_by_what(warm: Warm, tmp_path: Path):
    reader, writer = os.pipe()
    line = ("image", "--prompt-file", "-", "--devices", "cpu")
    waiting = warm.start(*line, cwd=tmp_path, env=WORLD, stdin=reader)
    assert waiting.poll() is None
    waiting.kill()
    assert waiting.wait(HANG) == -signal.SIGKILL
    os.close(writer)
    os.close(reader)
