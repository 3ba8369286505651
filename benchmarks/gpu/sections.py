"""The sections of a run: what each measures, in a process of its own, until the time is over.

What a section's process finds it writes to a file again and again, so that what it found stays
when it fails or is ended. The process that runs the sections imports neither torch nor diffusers.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.models import message_sizes

CHAINS = (2, 4, 8)
"""Cores of the chains of messages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One thing to measure: `part` of a model, on so many cores.

    Parts `apart` have a core on several GPUs: on as many as there are `contexts`, which share
    tokens, or on two, one for each half of guidance.
    """

    name: str
    part: str
    model: str | None = None
    cores: int = 1
    contexts: int = 1
    needs: str | None = None


SECTIONS = (
    Section(name="machine", part="machine"),
    Section(name="build flux", part="build", model="flux"),
    Section(name="flux against stock", part="against_stock", model="flux", needs="build flux"),
    Section(name="messages of flux", part="messages", model="flux"),
    Section(name="flux, 2 cores share", part="share", model="flux", cores=2, needs="build flux"),
    Section(name="build wan", part="build", model="wan"),
    Section(name="wan against stock", part="against_stock", model="wan", needs="build wan"),
    Section(name="wan, split core shares", part="split", model="wan", needs="build wan"),
    Section(name="messages of wan", part="messages", model="wan"),
    Section(name="messages of hunyuan", part="messages", model="hunyuan"),
    Section(name="flux, 4 cores share", part="share", model="flux", cores=4, needs="build flux"),
    Section(name="flux by the command", part="command", model="flux", cores=2, needs="build flux"),
    Section(name="wan, 2 cores share", part="share", model="wan", cores=2, needs="build wan"),
    Section(name="wan, halves apart", part="apart", model="wan", needs="build wan"),
    Section(name="wan, tokens apart", part="apart", model="wan", contexts=2, needs="build wan"),
    Section(name="flux, tokens apart", part="apart", model="flux", contexts=2, needs="build flux"),
    Section(name="wan, tokens on 4", part="apart", model="wan", contexts=4, needs="build wan"),
    Section(name="wan, tokens on 8", part="apart", model="wan", contexts=8, needs="build wan"),
)
"""The most important first: what comes last is what a slow machine skips."""


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What came of a section: `state` is done, failed or skipped, `error` says why."""

    name: str
    state: str
    seconds: float = 0.0
    error: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Of a whole run."""

    device: str
    tiny: bool
    limit: float
    work: str


def run(
    settings: Settings,
    elapsed: Callable[[], float],
    heard: Callable[[list[Outcome], Section | None], None],
) -> list[Outcome]:
    """All sections; `heard` is told before each what was, and what comes next."""
    outcomes: list[Outcome] = []
    for section in SECTIONS:
        heard(outcomes, section)
        why = _hindrance(section, outcomes, settings.limit - elapsed())
        outcomes.append(
            Outcome(name=section.name, state="skipped", error=why)
            if why
            else _outcome(section, settings, settings.limit - elapsed())
        )
    heard(outcomes, None)
    return outcomes


def _hindrance(section: Section, outcomes: list[Outcome], left: float) -> str | None:
    """Why a section is not begun."""
    if left <= 0:
        return "the time is over"
    before = {outcome.name: outcome for outcome in outcomes}
    if section.needs and before[section.needs].state != "done":
        return f"{section.needs} was {before[section.needs].state}"
    if section.part != "machine" and before["machine"].state != "done":
        return "the device cannot be used"
    return None


def _outcome(section: Section, settings: Settings, left: float) -> Outcome:
    began = time.monotonic()
    file = Path(settings.work) / f"{section.name.replace(', ', ' ').replace(' ', '-')}.json"
    told = json.dumps({"section": asdict(section), "settings": asdict(settings), "file": str(file)})
    own = [sys.executable, "-m", "benchmarks.gpu", "part", told]
    messages = section.part == "messages"
    error = _ran(
        _hops(settings, section.model) if messages else own, file if messages else None, left
    )
    notes = _read(file)
    error = notes.pop("failed", None) or error
    state = "failed" if error else "skipped" if "skipped" in notes else "done"
    return Outcome(
        name=section.name,
        state=state,
        seconds=round(time.monotonic() - began, 2),
        error=error or notes.get("skipped"),
        notes=notes,
    )


def _hops(settings: Settings, model: str | None) -> list[str]:
    """`benchmarks.hops` with latents of a model's size on the device."""
    sizes = message_sizes(tiny=settings.tiny)
    return [
        *(sys.executable, "-m", "benchmarks.hops", "--json", "--ways", "bare"),
        *("--device", settings.device, "--cores", *map(str, CHAINS)),
        *("--megabytes", str(sizes[model or "flux"])),
    ]


def _ran(command: list[str], stdout: Path | None, seconds: float) -> str | None:
    """Runs a process with all that it starts; what went wrong, if anything did."""
    with stdout.open("wb") if stdout else contextlib.nullcontext(sys.stderr) as output:
        process = subprocess.Popen(command, stdout=output, start_new_session=True)
        try:
            code = process.wait(timeout=max(1.0, seconds))
        except subprocess.TimeoutExpired:
            return f"ended when the time was over, after {seconds:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return f"its process ended with exit code {code}" if code else None


def _read(file: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(file.read_text())
    return {}


def work_folder(asked: str | None, gigabytes: float) -> Path:
    """Where the weights go: `asked`, else memory where there is room for them, else the disk."""
    import tempfile

    shm = Path("/dev/shm")
    roomy = shm.is_dir() and shutil.disk_usage(shm).free > gigabytes * 1.2e9
    parent = asked or (str(shm) if roomy else None)
    if asked:
        Path(asked).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="chords-gpu-", dir=parent))
