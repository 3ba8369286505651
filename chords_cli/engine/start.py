"""How processes begin: forked from one that has imported everything, or each from nothing.

Importing torch and diffusers takes seconds, which a fork saves every process but one. A process
that was forked after an accelerator had been used cannot use it, though, so those who need one ask
first (`start_method`). `CHORDS_START=spawn` has every process begin from nothing.

No process that is started here imports anything from the user's working directory.
"""

import atexit
import functools
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.forkserver import ensure_running, set_forkserver_preload
from pathlib import Path
from typing import Any

import chords_cli
from chords_cli.engine.output import (
    LOG_VARIABLE,
    PIPELINE_VARIABLE,
    last_line,
    redirect_output,
)
from chords_cli.errors import ChordsError, UsageError

START_VARIABLE = "CHORDS_START"
"""The environment variable that says how processes begin: `fork` or `spawn`."""

Context = ForkServerContext | SpawnContext

_METHODS = ("fork", "spawn")

_JOIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Start:
    """How the workers of a pool began: `fork` or `spawn`, and why they were not forked."""

    method: str
    reason: str | None = None

    @property
    def context(self) -> Context:
        """What starts processes this way."""
        return _context(self.method)


def asked_method() -> str:
    """What `CHORDS_START` says; `fork` where it says nothing.

    Raises:
        UsageError: It says something else.
    """
    method = os.environ.get(START_VARIABLE) or "fork"
    if method not in _METHODS:
        raise UsageError(
            f"{START_VARIABLE} is {method!r}, but processes start by {' or '.join(_METHODS)}",
            f"unset {START_VARIABLE}, or set it to spawn",
        )
    return method


def preload(pipeline: str) -> None:
    """Has the process that others are forked from import what they need, and does not wait for it.

    Args:
        pipeline: A class of diffusers that will be loaded.
    """
    if asked_method() == "spawn":
        return
    set_forkserver_preload(["chords_cli.engine.preload"])
    with starting({LOG_VARIABLE: str(start_log()), PIPELINE_VARIABLE: pipeline}):
        ensure_running()
    _Asked.method = "fork"


def start_method(devices: Sequence[str]) -> Start:
    """How workers on these devices begin; what they are forked from is running (`preload`).

    Raises:
        UsageError: `CHORDS_START` is wrong.
        ChordsError: No process can be started.
    """
    if asked_method() == "spawn":
        return Start("spawn", f"{START_VARIABLE} is spawn")
    kinds = sorted({device.partition(":")[0] for device in devices} - {"cpu"})
    used = ask(functools.partial(used_before_fork, kinds)) if kinds else None
    if used:
        return Start("spawn", f"something that was imported had used {used} before the fork")
    return Start("fork")


def used_before_fork(kinds: Sequence[str]) -> str | None:
    """The first kind of accelerator that this process cannot use because it was forked too late."""
    import torch

    for kind in kinds:
        in_bad_fork = getattr(torch.get_device_module(kind), "_is_in_bad_fork", None)
        if in_bad_fork and in_bad_fork():
            return kind
    return None


def ask(question: Callable[[], Any]) -> Any:
    """What `question` answers in a process of its own, so that this one need not import torch.

    Args:
        question: Can be pickled, and its answer too.

    Raises:
        ChordsError: The process failed or could not be started.
    """
    context = _context(_Asked.method)
    hears, tells = context.Pipe(duplex=False)
    process = context.Process(
        target=_answer, args=(question, str(start_log()), tells), daemon=True, name="chords-ask"
    )
    try:
        with starting():
            process.start()
        tells.close()
        answer = hears.recv()
    except (EOFError, OSError) as error:
        quoted = last_line(start_log())[:200]
        raise ChordsError(
            f"torch could not be asked for its devices{f' ({quoted})' if quoted else ''}",
            "add --devices cpu, or try `python -c 'import torch'` in this environment",
        ) from error
    finally:
        hears.close()
    process.join(_JOIN_SECONDS)
    return answer


@functools.cache
def start_log() -> Path:
    """Where processes write that are no core: a file that ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="chords-start-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "start.log"


@contextmanager
def starting(told: dict[str, str] | None = None) -> Iterator[None]:
    """Processes that are started inside find `told` in their environment and never hear Ctrl-C.

    They search no module in the working directory, whatever this process does.
    """
    set_here = {"PYTHONSAFEPATH": "1", **_own_place(), **(told or {})}
    before = {name: os.environ.get(name) for name in set_here}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(set_here)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class _Asked:
    """Whom `ask` has processes started by: the process that imports, once there is one."""

    method = "spawn"


def _context(method: str) -> Context:
    if method == "spawn":
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("forkserver")


def _own_place() -> dict[str, str]:
    """How a process finds this package where it runs from a checkout that is not installed."""
    root = Path(chords_cli.__file__).parents[1]
    if root.name in ("site-packages", "dist-packages"):
        return {}
    known = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(root), *([known] if known else [])])}


def _answer(question: Callable[[], Any], log: str, tells: Connection) -> None:
    from chords_cli.pipelines.quiet import quiet_environment

    redirect_output(log)
    quiet_environment()
    tells.send(question())
