"""How processes start: forked from one that has imported everything, or each from nothing.

Importing torch and diffusers takes seconds, which a fork saves every process but one. A process
that was forked after an accelerator had been used cannot use it, though, so those who need one ask
first (`start_method`). `CHORDS_START=spawn` has every process start from nothing.

No process that starts here searches modules in the user's working directory, unless this one does
so itself, as `python -m` makes it do. None has the user's tokens, or asks the hub for anything.
"""

import functools
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.forkserver import ensure_running, set_forkserver_preload
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import chords_cli
from chords_cli.engine.logs import (
    compiled_place,
    is_ours,
    last_line,
    redirect_output,
    start_log,
    temporary_folder,
)
from chords_cli.engine.watch.server import (
    has_died,
    kill_server,
    lost_server,
    not_waiting_for_ever,
)
from chords_cli.errors import ChordsError, UsageError
from chords_cli.tools import without_secrets

START_VARIABLE = "CHORDS_START"
"""The environment variable that names the start method: `fork` or `spawn`."""

LOG_VARIABLE = "CHORDS_WORKER_LOG"
"""Names the log of the process that workers are forked from."""

PIPELINE_VARIABLE = "CHORDS_PRELOAD_PIPELINE"
"""Names the pipeline class that it imports before forking."""

Context = ForkServerContext | SpawnContext

_GUARD = 'put what the script does under `if __name__ == "__main__":`'
_METHODS = ("fork", "spawn")

DEFAULT_TIMEOUT = 600.0
"""Seconds that a process waits for another one's answer before it gives up by default.

Loading a large model takes minutes on some devices.
"""

_JOIN_SECONDS = 5.0

_NOTICED_SECONDS = 0.5
"""How long the end of a process may take to be noticed."""

_LONGEST_FOLDER = 65
"""Bytes of a folder in which multiprocessing can make sockets."""

_LOCAL = {"PYTHONSAFEPATH": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}

_server: dict[str, str] = {}
"""What the process that others are forked from finds in its environment; empty while none runs."""

os.register_at_fork(after_in_child=_server.clear)


@dataclass(frozen=True, slots=True)
class StartMethod:
    """How the workers of a pool start: `fork` or `spawn`, and why they are not forked."""

    method: str
    reason: str | None = None

    @property
    def context(self) -> Context:
        """The context of multiprocessing that starts processes this way."""
        return _context(self.method)


def requested_method() -> str:
    """Returns what `CHORDS_START` names, `fork` by default.

    Raises:
        UsageError: It names something else.
    """
    method = os.environ.get(START_VARIABLE) or "fork"
    if method not in _METHODS:
        raise UsageError(
            f"{START_VARIABLE} is {method!r}, but processes start by {' or '.join(_METHODS)}",
            f"unset {START_VARIABLE}, or set it to spawn",
        )
    return method


def preload(pipeline: str) -> None:
    """Starts the process that others are forked from, which imports what they need meanwhile.

    Args:
        pipeline: A class of diffusers that will be loaded. A later call with another one changes
            nothing while that process runs.
    """
    if requested_method() == "spawn":
        return
    check_may_start()
    set_forkserver_preload(["chords_cli.engine.preload"])
    if not _server:
        Finalize(None, kill_server, exitpriority=0)
    _server.update({LOG_VARIABLE: str(start_log()), PIPELINE_VARIABLE: pipeline})
    with starting():
        ensure_running()


def start_method(devices: Sequence[str]) -> StartMethod:
    """Chooses how workers on these devices start; `preload` was called before.

    Raises:
        UsageError: `CHORDS_START` is wrong.
        ChordsError: No process can be started.
    """
    if requested_method() == "spawn":
        return StartMethod("spawn", f"{START_VARIABLE} is spawn")
    kinds = sorted({device.partition(":")[0] for device in devices} - {"cpu"})
    used = ask(functools.partial(used_before_fork, kinds)) if kinds else None
    if used:
        return StartMethod("spawn", f"something that was imported had used {used} before the fork")
    return StartMethod("fork")


def used_before_fork(kinds: Sequence[str]) -> str | None:
    """Returns the first kind of accelerator that this process was forked too late to use."""
    import torch

    for kind in kinds:
        in_bad_fork = getattr(torch.get_device_module(kind), "_is_in_bad_fork", None)
        if in_bad_fork and in_bad_fork():
            return kind
    return None


def ask(question: Callable[[], Any], seconds: float = DEFAULT_TIMEOUT) -> Any:
    """Calls `question` in a process of its own, so that this one need not import torch.

    Args:
        question: Can be pickled, and what it returns too.
        seconds: How long it may take to answer.

    Raises:
        ChordsError: The process failed, did not answer or could not be started.
    """
    check_may_start()
    log = start_log()
    known = log.stat().st_size if log.exists() else 0
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = _context("fork" if _server else "spawn").Process(
        target=_answer, args=(question, str(log), writer), daemon=True, name="chords-ask"
    )
    try:
        # a forked process inherits from the server, and Ctrl-C need not wait for its imports
        with starting(interruptible=bool(_server)), not_waiting_for_ever():
            process.start()
        writer.close()
        if not reader.poll(seconds):
            process.kill()
            raise EOFError
        answer = reader.recv()
    except (EOFError, OSError) as error:
        if _server and has_died(_NOTICED_SECONDS):
            raise lost_server() from error
        quoted = last_line(log, after=known)[:200]
        raise ChordsError(
            f"torch could not be asked for its devices{f' ({quoted})' if quoted else ''}",
            "add {devices}, or try `python -c 'import torch'` in this environment",
            {"devices": "cpu"},
        ) from error
    finally:
        reader.close()
    process.join(_JOIN_SECONDS)
    return answer


def check_may_start() -> None:
    """Refuses to start processes from a daemon, or where they would run the script again.

    Raises:
        UsageError: The script has no main guard, or is not a file, or this process is a daemon.
    """
    main = sys.modules["__main__"]
    script = getattr(main, "__file__", None)
    if script and getattr(main, "__spec__", None) is None and not Path(script).exists():
        raise UsageError(
            f"processes that are started here read the script again, but {script} is not a file",
            f"save it as a file; {_GUARD}",
        )
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError("a process that was started here runs its script again", _GUARD)
    if multiprocessing.current_process().daemon:
        raise UsageError(
            "this is a daemon of multiprocessing, such as those of its Pool, which starts no cores",
            "start them in a process that was made with daemon=False",
        )


@contextmanager
def starting(*, interruptible: bool = False) -> Iterator[None]:
    """Lets processes start inside that neither hear Ctrl-C nor search the working directory.

    The environment of this whole process changes meanwhile. Other threads that start some wait.

    Args:
        interruptible: Whether Ctrl-C reaches this process inside; then others hear it too.
    """
    _keep_sockets_short()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with without_secrets():  # by one thread at a time
        variables = {**_LOCAL, **compiled_place(), **_own_place(), **_server}
        before = {name: os.environ.get(name) for name in variables}
        try:
            os.environ.update(variables)
            resource_tracker.ensure_running()  # unblocks SIGINT once it has started
            if not interruptible:
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _keep_sockets_short() -> None:
    """Gives multiprocessing a folder for its sockets: ours, or another where TMPDIR is too long.

    The path of a socket has at most 107 bytes; 38 are appended to the folder's.

    Raises:
        ChordsError: There is no such folder.
    """
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    if "tempdir" in config and not is_ours(config["tempdir"]):  # or that of a process before
        return
    if len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_FOLDER:
        config["tempdir"] = str(temporary_folder())
        return
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp", "/dev/shm"):
        if folder and len(folder) <= _LONGEST_FOLDER and os.access(folder, os.W_OK | os.X_OK):
            config["tempdir"] = str(temporary_folder(folder))
            return
    raise ChordsError(
        f"TMPDIR {tempfile.gettempdir()} is too long for the sockets of processes",
        "set TMPDIR to a folder with a shorter name, such as /tmp",
    )


def script_ran_again(core: int) -> UsageError:
    """Returns the error for a core that ended while it ran its script again."""
    quoted = last_line(start_log())[:200]
    reason = quoted.removeprefix(f"{UsageError.__module__}.{UsageError.__name__}: ")
    told = f": {reason}" if reason else ""
    return UsageError(f"core {core} ended while it read the script again{told}", _GUARD)


def _context(method: str) -> Context:
    if method == "spawn":
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("forkserver")


def _own_place() -> dict[str, str]:
    """Returns what makes this package importable where it runs from a checkout."""
    root = Path(chords_cli.__file__).parents[1]
    if root.name in ("site-packages", "dist-packages"):
        return {}
    known = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(root), *([known] if known else [])])}


def _answer(question: Callable[[], Any], log: str, writer: Connection) -> None:
    from chords_cli.pipelines.load.reporting import set_environment

    redirect_output(log)
    set_environment()
    writer.send(question())
