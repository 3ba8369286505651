"""The Python API in processes that fork, and in those that cannot start cores."""

import os
from pathlib import Path

import pytest

from chords_cli import Chords, ChordsError
from chords_cli.engine import processes
from tests.doubles.warm import Warm
from tests.waiting import ended

START = 'Chords(cores=2, steps=3, devices="cpu")'

FORKS = f"""
import multiprocessing, os, sys
from chords_cli import Chords, ChordsError

def told(make):
    try:
        return make()
    except ChordsError as error:
        return str(error)

def fresh():
    with {START} as chords:
        return chords("a red heart", seed=3).seconds > 0

def answer(make, answers):
    answers.send(told(make))

def ask(make, daemon=False):
    context = multiprocessing.get_context("fork")
    answers, theirs = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(make, theirs), daemon=daemon)
    child.start()
    print(answers.recv())
    child.join()

def main():
    with {START} as chords:
        def used():
            return chords("a red heart", seed=3).seconds > 0

        print(used())
        ask(used)
        ask(fresh)
        ask(fresh, daemon=True)
        sys.stdout.flush()
        child = os.fork()
        if not child:
            chords.__exit__(None, None, None)
            sys.exit()
        os.waitpid(child, 0)
        print(used())

if __name__ == "__main__":
    main()
"""


def run(script: str, folder: Path, warm: Warm) -> tuple[int | None, str, str]:
    """Runs a script, none of whose temporary files is left; returns exit code and streams."""
    path, temporary = folder / "script.py", folder / "t"
    path.write_text(script)
    temporary.mkdir()
    running = warm.start(script=path, cwd=folder, env={**os.environ, "TMPDIR": str(temporary)})
    out, err = ended(running)
    assert [*temporary.iterdir()] == []
    return running.returncode, out, err


@pytest.mark.slow
def test_a_forked_process_has_its_own_cores_and_leaves_those_of_the_other(
    warm: Warm, tmp_path: Path
) -> None:
    code, out, err = run(FORKS, tmp_path, warm)
    assert out.splitlines() == [
        "True",
        "the cores belong to the process that this one was forked from",
        "True",
        "this is a daemon of multiprocessing, such as those of its Pool, which starts no cores",
        "True",
    ]
    assert (code, err) == (0, "")


def test_chords_whose_temporary_folder_was_removed_say_so(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    monkeypatch.setattr(processes, "temporary_folder", lambda: gone)
    with pytest.raises(ChordsError) as caught:
        Chords(cores=2, steps=3, devices="cpu").__enter__()
    assert caught.value.message == f"no core can be started: {gone}: No such file or directory"


def test_a_script_without_a_guard_is_told_so_and_leaves_nothing(warm: Warm, tmp_path: Path) -> None:
    script = f"from chords_cli import Chords\nwith {START}:\n    pass\n"
    code, _, err = run(script, tmp_path, warm)
    assert code == 1
    assert "a process that was started here runs its script again" in err


@pytest.mark.slow
def test_outputs_that_are_still_open_when_python_ends_leave_nothing(
    warm: Warm, tmp_path: Path
) -> None:
    script = (
        "from chords_cli import Chords\n"
        "if __name__ == '__main__':\n"
        f"    chords = {START}.__enter__()\n"
        "    outputs = chords.outputs('a red heart')\n"
        "    next(outputs)\n"
    )
    code, _, err = run(script, tmp_path, warm)
    assert (code, err) == (0, "")
