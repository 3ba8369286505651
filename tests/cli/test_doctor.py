"""`chords doctor`: every check on a line, and an exit code that says whether all is well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chords_cli.records.doctor import DoctorRecord

TOPICS = ["installation", "machine", "devices", "model", "cores"]
NAMES = [
    *("python", "packages", "extras", "ffmpeg"),
    *("system", "network", "output", "cache", "temporary"),
    *("torch", "driver", "cpu", "links"),
    *("weights", "token", "pipeline", "layout", "memory"),
    *("start", "step", "exchange", "hop"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def examined(command, tmp_path_factory):
    """What is said of this machine with a tiny model."""
    folder = tmp_path_factory.mktemp("doctor")
    return command("doctor", "--model", "tiny", "--devices", "cpu", "--json", cwd=folder)


def test_every_part_of_a_run_is_looked_at(examined):
    record = DoctorRecord.read(examined.document)
    assert [check.name for check in record.checks] == NAMES
    assert list(dict.fromkeys(check.topic for check in record.checks)) == TOPICS
    assert (record.command, record.model, record.devices) == ("doctor", "tiny", ("cpu",))
    assert [check for check in record.checks if check.state == "fail"] == []
    assert all(check.remedy for check in record.checks if check.state == "warn")


def test_a_step_and_a_hop_are_measured(examined):
    found = {check["name"]: check["found"] for check in examined.document["checks"]}
    assert found["step"].endswith(" on cpu, one step of tiny")
    assert found["exchange"].startswith("two processes on cpu hand a latent of ")
    assert "% of a step of " in found["hop"]
    assert found["start"].startswith("fork: ")


def test_a_device_that_is_not_here_fails_and_what_does_not_need_it_is_told(command, tmp_path):
    answer = command("doctor", "--model", "tiny", "--devices", "cuda:77", cwd=tmp_path, code=1)
    assert " fail devices     device cuda:77 is not on this machine" in answer.out
    assert " ok   torch " in answer.out
    assert "hint: try --devices " in answer.out
    assert answer.err == ""
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_exist_is_a_mistake_of_the_user(chords):
    answer = chords("doctor", "--model", "flx")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: unknown model 'flx'\nhint: did you mean flux")


@pytest.mark.parametrize(
    "error", ["ImportError('undefined symbol: x')", "OSError('libcudart.so.12: cannot open')"]
)
def test_torch_that_cannot_be_imported_is_a_line_with_the_cause(error, environment, tmp_path):
    (tmp_path / "lib" / "torch").mkdir(parents=True)
    (tmp_path / "lib" / "torch" / "__init__.py").write_text(f"raise {error}")
    (tmp_path / "tmp").mkdir()
    path = os.pathsep.join([str(tmp_path / "lib"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "chords_cli", "doctor"],
        env={**environment, "PYTHONPATH": path, "TMPDIR": str(tmp_path / "tmp"), "COLUMNS": "200"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(" fail torch "))
    assert f"cannot be imported: {error.replace(chr(40) + chr(39), ': ')[:-2]}" in line
    assert "Traceback" not in done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_person_reads_has_a_line_per_check(command, tmp_path):
    answer = command("doctor", "--model", "tiny", "--devices", "cpu", cwd=tmp_path)
    lines = answer.out.splitlines()
    assert [line for line in lines if line in TOPICS] == TOPICS
    assert [line[6:17].strip() for line in lines if line[:6] in (" ok   ", " warn ")] == NAMES
    assert f"of {len(NAMES)} checks for tiny in " in lines[-1]
    assert answer.err == ""
