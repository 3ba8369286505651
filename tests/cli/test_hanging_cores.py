"""`--timeout` ends a run whose core hangs, wherever that is and however the others wait for it."""

import re

import pytest

from tests.doubles.hanging_workers import HangingWorker

pytestmark = pytest.mark.slow

LINE = ("--model", "tiny", "--devices", "cpu", "--cores", 1)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("stopped", r"hangs: no sign of life for 3 s"),
        ("waiting", r"hangs: no sign of life for 3 s"),
    ],
)
def test_a_core_that_hangs_between_landing_and_decoding_ends_the_run(
    how, said, command, tmp_path, monkeypatch
):
    monkeypatch.setattr("chords_cli.engine.processes.worker_process", HangingWorker(how))
    done = command("image", "a cat", *LINE, "--timeout", 3, cwd=tmp_path, code=1)
    error, hint = done.err.splitlines()[-2:]
    assert re.match(f"error: core 0 on cpu {said}", error)
    assert hint.startswith("hint: ")
