"""Runs the real command, does one thing wrong to it, and says what became of everything.

What is done wrong inside a process is of `hooks/fault.py`; from outside it is a function of a cell.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from tests.waiting import HANG

HOOKS = Path(__file__).with_name("hooks")
ROOT = Path(__file__).parents[2]
LONGEST = HANG
"""Seconds after which a run is taken to hang."""

Act = Callable[["Run"], object]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A run, what is done to it, and what is expected of it.

    Attributes:
        fault: What happens, as `hooks/fault.py` reads it.
        phase: Where in a run it happens.
        what: What happens, for the table.
        act: Called again and again until it returns true: does something to the run from outside.
        target: Who gets the signal of `fault`, if not the process where its time has come.
        args: Further options.
        stderr: A file that standard error goes to.
        shell: A line of a shell in which `"$@"` is the command.
        code: The exit code.
        says: A pattern that the error matches.
        hint: A pattern that the hint matches.
        kept: How many pictures are complete; None where that depends on the moment.
        resumes: Whether `--resume` is tried afterwards.
        prepare: Called before the run starts.
        env: Further variables.
        paths: Folders of the run that Python searches first.
        fresh: Whether it starts from nothing, so that importing is part of it.
        quick: Whether the everyday suite runs it.
        remains: What may be left, as nobody was there to remove it.
    """

    phase: str
    what: str
    fault: str = ""
    act: Act | None = None
    target: str = ""
    args: tuple[str, ...] = ()
    stderr: str = ""
    shell: str = ""
    code: int = 1
    says: str = ""
    hint: str = ""
    kept: int | None = None
    num: int = 2
    resumes: bool = False
    prepare: Callable[["Run"], None] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    command: tuple[str, ...] = ("image", "a red heart", "--steps", "16")
    cores: int = 4
    fresh: bool = False
    quick: bool = False
    remains: str = "-"

    @property
    def name(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.what} {self.phase}".lower()).strip("-")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of a run.

    Attributes:
        code: Its exit code; None where it did not end.
        seconds: From the fault to the end of the command; None where no fault was noted.
        error: The last line that begins with `error: `, without that; the same of `hint`.
        said: All of standard error.
        orphans: Processes that were there a moment after its end.
        left: Temporary and partial files.
        kept: The complete pictures with the bits of an undisturbed run.
        wrong: Whatever is in the output folder and should not be.
        resumed: How `--resume` ended: its exit code and the pictures with the right bits.
    """

    code: int | None
    seconds: float | None
    error: str
    hint: str
    said: str
    orphans: tuple[str, ...]
    left: tuple[str, ...]
    kept: int
    wrong: tuple[str, ...]
    resumed: tuple[int, int] | None = None


class Run:
    """A run of a cell in a folder of its own."""

    def __init__(self, cell: Cell, folder: Path, start: Callable[..., Any] | None) -> None:
        self.cell, self.folder, self._start = cell, folder, start
        self.out, self.temporary = folder / "out", folder / "tmp"
        for path in (folder / "pids", self.temporary):
            path.mkdir(parents=True)
        self.acted = 0.0

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


def observe(
    cell: Cell, folder: Path, start: Callable[..., Any] | None, pixels: Mapping[str, str]
) -> Found:
    """Runs a cell and returns what became of it; `pixels` are those of an undisturbed run."""
    run = Run(cell, folder, start)
    try:
        run.start()
        code = run.wait()
        ended = time.time()
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
    kept, wrong = _look(run.out, pixels)
    found = Found(
        code=code,
        seconds=round(ended - run.struck, 2) if run.struck else None,
        error=error,
        hint=hint,
        said=run.said,
        orphans=orphans,
        left=tuple(
            sorted(
                str(path.relative_to(folder))
                for path in (*run.temporary.rglob("*"), *run.out.rglob(".*"))
                if "torchinductor" not in str(path)
            )
        ),
        kept=kept,
        wrong=wrong,
    )
    return found if not cell.resumes else _resume(run, found, pixels)


def _resume(run: Run, found: Found, pixels: Mapping[str, str]) -> Found:
    environment = run.environment() | {"FAULT": ":::"}
    done = run.begin(run.line("--resume"), environment)
    done.communicate(timeout=LONGEST)
    kept, wrong = _look(run.out, pixels)
    left = [f"{path.name} after --resume" for path in run.out.glob(".*")]
    return replace(found, resumed=(done.returncode, kept), wrong=(*found.wrong, *wrong, *left))


def pixels_of(path: Path) -> str:
    """The bits of a picture, apart from its metadata."""
    with Image.open(path) as image:
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def _look(out: Path, pixels: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    wrong, kept = list[str](), 0
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    for name in names:
        if name.endswith(".png"):
            try:
                same = pixels_of(out / name) == pixels.get(name)
            except OSError as error:
                same = False
                wrong.append(f"{name}: {error}")
            kept += same
            wrong += [] if same else [f"{name}: other bits"]
        elif not re.fullmatch(r"run\.jsonl?|.*\.safetensors|\..*", name):
            wrong.append(name)
    if "run.json" in names:
        told = json.loads((out / "run.json").read_text())["prompts"]
        wrong += [f"run.json tells of {x['output']}" for x in told if x["output"] not in names]
    return kept, tuple(wrong)


def doubts(cell: Cell, found: Found) -> list[str]:
    """Returns what is not as it should be."""
    texts = ((cell.says, found.error), (cell.hint, found.hint))
    return [
        *(["it did not end"] if found.code is None else []),
        *([f"code {found.code}"] if found.code not in (None, cell.code) else []),
        *(
            f"{text!r} does not say {wanted!r}"
            for wanted, text in texts
            if not re.search(wanted, text)
        ),
        *(f"{who!r} was left" for who in found.orphans),
        *(f"{name} was left" for name in found.left if not name.startswith(cell.remains)),
        *(["a traceback"] if "Traceback" in found.said else []),
        *(["this is a bug"] if "this is a bug" in found.said else []),
        *found.wrong,
        *(
            [f"{found.kept} pictures, not {cell.kept}"]
            if cell.kept is not None and found.kept != cell.kept
            else []
        ),
        *(
            [f"--resume: {found.resumed}"]
            if found.resumed is not None and found.resumed != (0, cell.num)
            else []
        ),
    ]
