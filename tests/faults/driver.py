"""Runs the real command, does one thing wrong to it, and says what became of everything.

What is done wrong inside a process is of `hooks/fault.py`; from outside it is a function of a cell.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.faults.cell import IMAGE, Act, Cell
from tests.faults.found import Found, doubts, look, pixels_of
from tests.waiting import HANG

__all__ = ["IMAGE", "Act", "Cell", "Found", "Run", "doubts", "observe", "pixels_of"]

HOOKS = Path(__file__).with_name("hooks")
ROOT = Path(__file__).parents[2]
LONGEST = HANG
"""Seconds after which a run is taken to hang."""


class Run:
    """A run of a cell in a folder of its own."""

    def __init__(self, cell: Cell, folder: Path, start: Callable[..., Any] | None) -> None:
        self.cell, self.folder, self._start = cell, folder, start
        self.out, self.temporary = folder / "out", folder / "tmp"
        for path in (folder / "pids", self.temporary):
            path.mkdir(parents=True)
        self.acted = 0.0
        self.mounted: Path | None = None
        self.other: Any = None

    def line(self, *more: str) -> list[str]:
        cell = self.cell
        line = [*cell.command, "--cores", str(cell.cores), "--devices", "cpu"]
        return [*line, "--num", str(cell.num), "--output", str(self.out), *cell.args, *more]

    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("FAULT")}
        told = {
            "PYTHONPATH": os.pathsep.join(
                [*(str(self.folder / path) for path in self.cell.paths), str(HOOKS), str(ROOT)]
            ),
            "TMPDIR": str(self.temporary),
            "FAULT_DIR": str(self.folder),
            "FAULT": self.cell.fault or ":::",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
            "COLUMNS": "80",
        }
        told |= {"FAULT_TARGET": self.cell.target} if self.cell.target else {}
        return {**kept, **told, **self.cell.env}

    def start(self) -> None:
        if self.cell.prepare:
            self.cell.prepare(self)
        self.began = time.time()
        with (self.folder / "said").open("wb") as said, (self.folder / "told").open("wb") as told:
            full = open(self.cell.stderr, "wb") if self.cell.stderr else said  # noqa: SIM115, PTH123
            self.process = self.begin(self.line(), self.environment(), told, full)
            full.close()

    def begin(
        self,
        line: list[str],
        environment: dict[str, str],
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
    ) -> Any:
        """Starts a command line, in a process that has imported torch where that is no matter."""
        how: dict[str, Any] = {"cwd": self.folder, "env": environment, "start_new_session": True}
        how |= {"stdout": stdout, "stderr": stderr}
        if self._start and not (self.cell.fresh or self.cell.shell):
            return self._start(*line, **how)
        line = [sys.executable, "-m", "chords_cli", *line]
        if self.cell.shell:
            line = ["bash", "-c", self.cell.shell, "bash", *line]
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, **how)

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    @property
    def struck(self) -> float:
        """When the fault happened; 0.0 before."""
        mark = self.folder / "mark"
        words = mark.read_text().split() if mark.exists() else []
        return self.acted or float((words or ["0"])[0])

    def pid(self, name: str) -> int:
        path = self.folder / "pids" / name
        return int(path.read_text() or 0) if path.exists() else 0

    def send(self, name: str, number: int) -> bool:
        """Sends a signal to `group`, `parent`, `server` or a process; tells whether it is there."""
        pid = self.process.pid if name in ("group", "command") else self.pid(name)
        if pid:
            self.note()
            (os.killpg if name == "group" else os.kill)(pid, number)
        return bool(pid)

    def note(self) -> None:
        """Notes that something is done to the run now."""
        self.acted = self.acted or time.time()

    def wait(self) -> int | None:
        """Returns the exit code; None where it does not end."""
        acted = self.cell.act is None
        while (code := self.process.poll()) is None:
            if not acted and self.cell.act:
                acted = bool(self.cell.act(self))
            if time.time() - (self.struck or self.began + LONGEST) > LONGEST:
                return None
            time.sleep(0.01)
        return int(code)

    def family(self) -> dict[int, str]:
        """Everybody who was started in this run and is no zombie: the command line by number."""
        told, found = f"FAULT_DIR={self.folder}\0".encode(), dict[int, str]()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    dead = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
                    if told in (entry / "environ").read_bytes() and not dead:
                        line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                        found[int(entry.name)] = line.decode()[-80:]
        for path in (self.folder / "pids").iterdir():  # of those that were forked from others
            stat = Path("/proc", path.read_text() or "-", "stat")
            with suppress(OSError):
                if stat.read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found[int(path.read_text())] = path.name
        return found

    def end(self) -> None:
        """Ends whoever is left."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def unmount(self) -> None:
        """Lets go of a disk of its own."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.mounted)], check=True)

    def left(self) -> tuple[str, ...]:
        """Returns what should be there no more: temporary and partial files, memory, locks."""
        files = (*self.temporary.rglob("*"), *self.out.rglob(".*"))
        found = sorted(str(path.relative_to(self.folder)) for path in files)
        pids = {path.read_text() for path in (self.folder / "pids").iterdir()} - {""}
        shared = [path.name for path in Path("/dev/shm").iterdir()]
        found += [name for name in shared if pids & {*re.findall(r"\d+", name)}]
        if self.out.is_dir():
            place = os.open(self.out, os.O_RDONLY)
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                found.append("a lock on the folder")
            os.close(place)
        return tuple(name for name in found if "torchinductor" not in name)


def observe(
    cell: Cell, folder: Path, start: Callable[..., Any] | None, pixels: Mapping[str, str]
) -> Found:
    """Runs a cell and returns what became of it; `pixels` are those of an undisturbed run."""
    run = Run(cell, folder, start)
    try:
        return _observe(run, pixels)
    finally:
        run.end()
        run.unmount()


def _observe(run: Run, pixels: Mapping[str, str]) -> Found:
    try:
        run.start()
        code = run.wait()
        ended = time.time()
        if run.cell.fix:
            run.cell.fix(run)
        deadline = ended + HANG  # they end by themselves, however long that takes here
        while code is not None and run.family() and time.time() < deadline:
            time.sleep(0.02)
        orphans = tuple(run.family().values()) if code is not None else ()
    finally:
        run.end()
    lines = run.said.splitlines()
    error, hint = (
        "".join([x for x in lines if x.startswith(f"{word}: ")][-1:]).removeprefix(f"{word}: ")
        for word in ("error", "hint")
    )
    kept, wrong = look(run.out, pixels)
    found = Found(
        code=code,
        seconds=round(ended - run.struck, 2) if run.struck else None,
        error=error,
        hint=hint,
        said=run.said,
        orphans=orphans,
        left=run.left(),
        kept=kept,
        wrong=wrong,
    )
    return found if not run.cell.resumes else _resume(run, found, pixels)


def _resume(run: Run, found: Found, pixels: Mapping[str, str]) -> Found:
    for left in run.temporary.iterdir():  # as if it was an hour later: what is new is left alone
        os.utime(left, (time.time() - 3600,) * 2)
    environment = run.environment() | {"FAULT": ":::"}
    done = run.begin(run.line("--resume"), environment)
    done.communicate(timeout=LONGEST)
    kept, wrong = look(run.out, pixels)
    left = [f"{name} after --resume" for name in run.left()]
    return replace(found, resumed=(done.returncode, kept), wrong=(*found.wrong, *wrong, *left))
