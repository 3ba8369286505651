"""Ctrl-C and sudden death, as a user meets them: the real command in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from chords_cli.cli.app import run
from tests.doubles import tiny
from tests.doubles.warm import Command, Warm
from tests.waiting import HANG, ended, until

ROOT = Path(__file__).parents[2]

Running = subprocess.Popen[str] | Command
Start = Callable[..., Running]

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of a short name: temporary files go there too, and a socket's name is limited."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model whose steps take long enough to be interrupted."""
    folder = tmp_path_factory.mktemp("slow")
    tiny.BUILDERS["flux"]().save_pretrained(folder / "weights")
    path = folder / "slow.yaml"
    path.write_text(
        "name: slow\ntitle: Slow\nkind: image\npath: weights\npipeline: FluxPipeline\n"
        "dtype: float32\nlicense: {name: MIT}\nseed: 1\nprompts: [a cat]\n"
        "call: {height: 64, width: 64, num_inference_steps: 400, max_sequence_length: 16}\n"
    )
    return path


@pytest.fixture(autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """Whatever the tests were started by: `nohup` has SIGHUP ignored, by all that it starts."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in _ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def _started() -> Iterator[list[Running]]:
    """Kills what a failed test leaves."""
    started = list[Running]()
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def fresh(_started: list[Running], preset: Path, tmp_path: Path) -> Start:
    """Starts `chords image` in a session of its own, where torch has yet to be imported."""

    def start(*options: str) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-m", "chords_cli", *_line(preset, tmp_path), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=_environment(tmp_path),
        )
        _started.append(process)
        return process

    return start


@pytest.fixture
def command(_started: list[Running], warm: Warm, preset: Path, tmp_path: Path) -> Start:
    """The same where torch has been imported, so that its cores load at once."""

    def start(*options: str) -> Running:
        process = warm.start(
            *_line(preset, tmp_path),
            *options,
            cwd=tmp_path,
            env=_environment(tmp_path),
            start_new_session=True,
        )
        _started.append(process)
        return process

    return start


@pytest.mark.parametrize("phase", ["Slow", "preview from", "output 1 from"])
def test_interrupt_ends_with_130_and_leaves_neither_process_nor_file(
    phase: str, command: Start, fresh: Start, tmp_path: Path
) -> None:
    start = fresh if phase == "Slow" else command  # where torch is being imported at that time
    said = _ended_by(signal.SIGINT, phase, start("--stop-index", "3"))
    assert said[-1] == "error: interrupted"
    assert _left(tmp_path) == []


def test_interrupt_does_not_wait_for_whoever_is_asked_for_devices(
    fresh: Start, tmp_path: Path
) -> None:
    process = fresh("--devices", "cuda:0")
    server = _server_of(process)
    server.suspend()  # so that it cannot answer first
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG) == 130
    _await_the_end_of([server])
    assert ended(process)[1].splitlines()[-1] == "error: interrupted"
    assert _left(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "phase"), [(signal.SIGTERM, "Slow"), (signal.SIGHUP, "cores ready")]
)
def test_a_signal_that_ends_the_command_leaves_as_little_as_ctrl_c(
    number: signal.Signals,
    phase: str,
    command: Start,
    fresh: Start,
    tmp_path: Path,
) -> None:
    process = fresh() if phase == "Slow" else command()
    _read_until(process, phase)
    family = _family(process.pid)
    process.send_signal(number)  # as `kill` does: to the command alone
    process.send_signal(number)
    said = ended(process)[1].splitlines()
    assert process.returncode == 128 + number
    assert said[-1] == f"error: ended by {number.name}"
    _await_the_end_of(family)
    assert _left(tmp_path) == []


def test_what_is_kept_is_told_with_how_to_go_on(command: Start, tmp_path: Path) -> None:
    process = command("--num", "3", "--steps", "300")
    said = _ended_by(signal.SIGTERM, "1/3 done", process)
    assert said[-2].endswith(f": 1 of 3 images is kept in {tmp_path / 'out'}")
    assert said[-1] == "hint: add --resume to go on"
    left = [path.name for path in _left(tmp_path)]
    if "0002-a-cat-s2.safetensors" in left:  # the signal came when its latent was there already
        left.remove("0002-a-cat-s2.safetensors")
    assert left == ["out", "0001-a-cat-s1.png", "run.json"]


def test_a_command_that_is_killed_is_resumed_after_its_last_sample(
    command: Start,
    preset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "out"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = command("--num", "4", "--steps", "60")
    finally:
        signal.signal(signal.SIGHUP, before)
    _read_until(process, "1/4: ")
    process.send_signal(signal.SIGHUP)  # a signal that is ignored stays so
    _read_until(process, "3/4 done")
    family = _family(process.pid)
    process.kill()
    process.wait()
    _await_the_end_of(family)
    record = json.loads((folder / "run.json").read_text())
    journal = [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]
    made = [*record["prompts"], *journal]
    assert (len(record["prompts"]), len(journal)) == (1, 2)
    line = _line(preset, tmp_path)
    assert run([*line, "--num", "4", "--steps", "60", "--resume"]) == 0
    assert capsys.readouterr().out.count(".png\n") == 4
    after = json.loads((folder / "run.json").read_text())["prompts"]
    assert (after[:3], len(after)) == (made, 4)
    assert sorted(path.name for path in folder.iterdir())[4:] == ["run.json"]


def test_a_terminal_that_is_closed_ends_the_command_and_its_clean_up(
    warm: Warm, preset: Path, tmp_path: Path
) -> None:
    terminal, theirs = os.openpty()
    process = warm.start(
        *_line(preset, tmp_path),
        cwd=tmp_path,
        env=_environment(tmp_path),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    told = b""
    while b"preview" not in told:
        told += os.read(terminal, 4096)
    family = _family(process.pid)
    os.close(terminal)
    assert process.wait(HANG) == 128 + signal.SIGHUP
    _await_the_end_of(family)
    assert _left(tmp_path) == []


def test_killed_worker_is_named_and_ends_the_command(command: Start, tmp_path: Path) -> None:
    process = command("--all-cores")
    _read_until(process, "preview from")
    family = _family(process.pid)
    workers = [p for p in family if p.ppid() != process.pid]
    assert len(workers) == 3
    workers[0].kill()
    said = ended(process)[1].splitlines()
    assert process.returncode == 1
    errors = [line for line in said if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: core ")
    assert errors[0].endswith(": killed by SIGKILL")
    assert said[-1].startswith("hint: ")
    _await_the_end_of(family)
    assert not list(tmp_path.rglob("*.part"))


def _line(preset: Path, folder: Path) -> list[str]:
    line = ["image", "-m", str(preset), "--devices", "cpu"]
    return [*line, "-k", "3", "-o", str(folder / "out")]


def _environment(folder: Path) -> dict[str, str]:
    """Temporary files go into a folder of their own, to be seen."""
    (folder / "temporary").mkdir(exist_ok=True)
    told = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder / "temporary")}
    return {**os.environ, **told}


def _ended_by(number: signal.Signals, phrase: str, process: Running) -> list[str]:
    """What a command says that is ended at that phrase, with all of its processes."""
    _read_until(process, phrase)
    family = _family(process.pid)
    os.killpg(process.pid, number)  # as a terminal does: to every process of the group
    os.killpg(process.pid, number)  # and once more, by those who do not wait
    said = ended(process)[1]
    assert process.returncode == 128 + number
    _await_the_end_of(family)
    return said.splitlines()


def _await_the_end_of(family: list[psutil.Process]) -> None:
    """Waits until all of the family are dead, whether or not anybody has taken note of it."""
    until(lambda: all(map(_is_dead, family)), f"the end of {family}")


def _is_dead(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _left(folder: Path) -> list[Path]:
    """All files and folders that a command left, temporary ones too."""
    return sorted(path for path in folder.rglob("*") if path.name != "temporary")


def _read_until(process: Running, phrase: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if phrase in line:
            return
    raise AssertionError(f"{phrase!r} was never said")


def _server_of(process: Running) -> psutil.Process:
    """The process that others are forked from, as soon as there is one."""

    def search() -> psutil.Process | None:
        assert process.poll() is None, "no process was asked"
        for child in _family(process.pid):
            with suppress(psutil.Error):
                if "multiprocessing.forkserver" in " ".join(child.cmdline()):
                    return child
        return None

    server = until(search, "a process to fork from")
    assert server is not None
    return server


def _family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended by SIGTERM")],
)
def test_a_signal_while_the_command_itself_is_imported_leaves_no_traceback(
    number: signal.Signals, said: str
) -> None:
    code = (
        "import os, sys\n"
        "class Strikes:\n"
        "    def find_spec(self, name, *_):\n"
        f"        name == 'chords_cli.cli.app' and os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Strikes())\n"
        "from chords_cli.__main__ import main\n"
        "main()\n"
    )
    line = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=HANG)
    assert (done.returncode, done.stderr) == (128 + number, f"error: {said}\n")
