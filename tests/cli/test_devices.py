"""Devices as a user meets them: how many cores a run takes, where they run, how they start."""

import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chords_cli.engine import devices, processes, start
from chords_cli.engine.devices import Memory, find_devices, measure_devices
from tests.doubles.labelled_workers import LabelledWorker
from tests.doubles.warm import Warm
from tests.waiting import ended

GB = 10**9
FREE = {"cuda:0": 70 * GB}
TINY = ("image", "a cat", "--model", "tiny", "--devices", "cpu", "--cores", 2, "--steps", 4)

NOTES = {
    1: [
        "1 device: 1 core, 18 rounds of 50, ideally 2.78x, expected error 0.0014; --exact makes "
        "what the stock pipeline makes",
        "1 core evaluates 18 of 50 steps and extrapolates on the others",
    ],
    2: [
        "2 devices: 2 cores, 13 rounds of 50, ideally 3.85x, expected error 0.0021; --exact makes "
        "what the stock pipeline makes"
    ],
    4: [
        "4 devices: 4 cores, 11 rounds of 50, ideally 4.55x, expected error 0.003; --exact makes "
        "what the stock pipeline makes"
    ],
    8: [
        "8 devices: 8 cores, 10 rounds of 50, ideally 5x, expected error 0.0033; --exact makes "
        "what the stock pipeline makes"
    ],
}


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Gives this machine GPUs of 80 GB, of which core 0's has 10 GB less free."""

    def give(count: int) -> None:
        names = [f"cuda:{number}" for number in range(count)]

        def answer(question: Any) -> Any:
            if question is find_devices:
                return names
            assert isinstance(question, functools.partial)
            assert question.func is measure_devices
            return {
                name: Memory(title="NVIDIA X", total=80 * GB, free=FREE.get(name, 80 * GB))
                for name in names
            }

        monkeypatch.setattr(devices, "ask", answer)
        devices.available_devices.cache_clear()

    yield give
    devices.available_devices.cache_clear()


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_a_preset_takes_as_many_cores_as_there_are_devices_and_tells_what_each_holds(
    count: int, chords: Any, gpus: Callable[[int], None]
) -> None:
    gpus(count)
    document = chords("image", "--model", "flux", "a fox", "--dry-run", "--json").document
    assert document["cores"] == count
    assert document["devices"] == [f"cuda:{core}" for core in range(count)]
    told = (document["note"] or "").splitlines()
    assert [line for line in told if not line.startswith("at guidance 1 ")] == NOTES[count]
    held = document["memory"]["devices"]
    assert [device["cores"] for device in held] == [[core] for core in range(count)]
    assert [device["free"] for device in held] == [70 * GB, *[80 * GB] * (count - 1)]
    assert held[0]["bytes"] > 33 * GB
    assert all(23 * GB < device["bytes"] < 25 * GB for device in held[1:])


def test_more_cores_than_devices_are_asked_for_and_warned_of_with_memory_by_device(
    chords: Any, gpus: Callable[[int], None]
) -> None:
    gpus(4)
    answer = chords("image", "--model", "flux", "a fox", "--cores", "8", "--dry-run")
    said = " ".join(answer.out.split())
    assert "8 cores share 4 devices, up to 2 on one: the same results, but no sooner" in said
    assert "cuda:0 (NVIDIA X): 57.4 GB of weights for 2 cores, 70.0 GB free of 80.0 GB" in said


def test_devices_that_are_named_bound_the_cores_too(
    chords: Any, gpus: Callable[[int], None]
) -> None:
    gpus(8)
    line = ("image", "--model", "flux", "a fox", "--devices", "cuda:6,cuda:7", "--dry-run")
    document = chords(*line, "--json").document
    assert document["devices"] == ["cuda:6", "cuda:7"]


def test_an_output_that_fewer_cores_cannot_make_is_refused_with_the_way_to_share(
    chords: Any, gpus: Callable[[int], None]
) -> None:
    gpus(2)
    answer = chords("image", "--model", "flux", "a fox", "--stop-index", "5")
    assert answer.code == 2
    assert answer.err == (
        "error: stop_index is 5, but 2 cores make outputs 0 to 2; there are 2 devices\n"
        "hint: add --cores 8: cores may share devices\n"
    )


@pytest.mark.slow
def test_the_command_asks_for_devices_without_importing_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from chords_cli.cli.app import run\n"
        "if __name__ == '__main__':\n"
        "    code = run(['image', 'a heart', '--dry-run', '--json'])\n"
        "    assert 'torch' not in sys.modules\n"
        "    sys.exit(code)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["devices"]


@pytest.mark.slow
def test_forked_and_spawned_cores_make_one_picture_and_run_nothing_of_the_working_directory(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """As `chords` is installed: a module beside the user's pictures is not one of Python's."""
    command = shutil.which("chords", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("chords is not installed beside this python: pip install -e .")
    for name in ("torch", "random", "signal", "socket", "numpy"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'ran')!r}, 'a')\nraise ImportError('not that one')\n"
        )
    made = {}
    for method in ("fork", "spawn"):
        done = subprocess.run(
            [command, *map(str, TINY), "--output", method, "-v"],
            cwd=tmp_path,
            env=environment | {"CHORDS_START": method},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        made[method] = (tmp_path / method / "0001-a-cat-s42.png").read_bytes()
        record = json.loads((tmp_path / method / "run.json").read_text())
        assert record["start_method"]["method"] == method
    assert made["fork"] == made["spawn"]
    assert "the cores were started one by one: CHORDS_START is spawn" in done.stderr
    assert not (tmp_path / "ran").exists()


def too_late(kinds: list[str]) -> str:
    """What a forked process answers whose libraries had used CUDA when they were imported."""
    return kinds[0]


@pytest.mark.slow
def test_a_run_whose_fork_came_too_late_spawns_its_cores_and_says_so(
    chords: Any,
    home: dict[str, str],
    gpus: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    gpus(1)
    monkeypatch.setenv("XDG_CONFIG_HOME", home["XDG_CONFIG_HOME"])
    monkeypatch.setattr(start, "used_before_fork", too_late)
    monkeypatch.setattr(processes, "worker_process", LabelledWorker(bad_fork=True))
    reason = "something that was imported had used cuda before the fork"
    line = ("image", "a cat", "--model", "tiny", "--steps", "4", "--cores", "1")
    answer = chords(*line, "--output", str(tmp_path / "out"), "--verbose")
    assert answer.code == 0, answer.err
    assert f"the cores were started one by one: {reason}\n" in answer.err
    made = json.loads((tmp_path / "out" / "run.json").read_text())
    assert made["start_method"] == {"method": "spawn", "reason": reason}
    assert made["devices"] == ["cuda:0"]


@pytest.mark.parametrize(
    ("arms", "cores"),
    [
        (("wavefront", "wavefront cores=8"), ["--cores", "2"]),
        (("sequential", "chords init_t=0-2-4-5"), []),
        (("sequential", "few-steps steps=9"), []),
    ],
)
def test_a_comparison_is_repeated_with_the_cores_that_followed_from_the_devices(
    arms: tuple[str, ...],
    cores: list[str],
    chords: Any,
    gpus: Callable[[int], None],
    home: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus(2)
    monkeypatch.setenv("XDG_CONFIG_HOME", home["XDG_CONFIG_HOME"])
    said = [word for arm in arms for word in ("--arm", arm)]
    answer = chords("compare", "a cat", "--model", "tiny", *said, "--dry-run", "--json")
    again = shlex.split(answer.document["again"])
    assert [w for n, w in enumerate(again) if "--cores" in again[max(0, n - 1) : n + 1]] == cores


def test_a_comparison_on_one_device_leaves_out_what_is_sequential_there(
    chords: Any, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", home["XDG_CONFIG_HOME"])
    line = ("compare", "a cat", "--model", "tiny", "--devices", "cpu", "--dry-run", "--json")
    arms = [arm["name"] for arm in chords(*line).document["arms"]]
    assert "chords" not in arms
    assert (arms[0], arms[-1]) == ("sequential", "wavefront")
    assert {arm.split()[0] for arm in arms[1:-1]} == {"few-steps"}


def test_a_script_without_a_main_guard_is_told_of_it(warm: Warm, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from chords_cli.cli.app import run\n"
        "sys.exit(run(['image', 'a heart', '--output', 'made', '--quiet']))\n"
    )
    running = warm.start(script=script, cwd=tmp_path, env=os.environ)
    _, err = ended(running)
    assert running.returncode == 1
    assert 'under `if __name__ == "__main__":`' in err
    assert not (tmp_path / "made").exists()


def test_a_script_that_cores_cannot_read_again_is_told_of_it(warm: Warm, tmp_path: Path) -> None:
    text = "from chords_cli import Chords\nwith Chords('demo-image', devices='cpu'): pass\n"
    script = tmp_path / "script.py"
    script.write_text(text)
    running = warm.start(script=script, cwd=tmp_path, env=os.environ)
    _, err = ended(running)
    assert running.returncode == 1
    assert "core 0 ended while" in err.splitlines()[-2]
    done = subprocess.run(
        [sys.executable, "-"], cwd=tmp_path, input=text, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "<stdin> is not a file" in done.stderr.splitlines()[-2]


def test_starts_that_are_chosen_by_themselves_ask_for_no_cores(
    chords: Any, gpus: Callable[[int], None]
) -> None:
    gpus(2)
    line = ("image", "--model", "flux", "a fox", "--init-t", "auto", "--dry-run", "--json")
    assert chords(*line).document["devices"] == ["cuda:0", "cuda:1"]
