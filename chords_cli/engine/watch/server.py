"""The process that others are forked from: whether it lives, and whether it still imports."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver

import psutil

from chords_cli.engine.logs import last_line, start_log
from chords_cli.errors import ChordsError

_IDLE_SECONDS, _LONGER_SECONDS = 8.0, 30.0
"""For how long it may use no processor at all while somebody waits for it; longer if it was seen to
wait for a disk or for its turn meanwhile."""

_GLANCE_SECONDS = 0.5

_END_SECONDS = 1.0
"""How long to wait for how it has ended."""

_given_up = dict[int, float]()
"""The numbers of those processes that were killed, and for how many seconds they did nothing."""


def kill_server() -> None:
    """Ends it, in the middle of its imports if need be.

    It would notice the end of this process by itself, but only once it has imported everything.
    """
    if (pid := _server()) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def not_waiting_for_ever() -> Iterator[None]:
    """Ends it if it does nothing while it is waited for inside; `lost_server` says so then."""
    left = threading.Event()
    threading.Thread(target=_watch, args=(left,), daemon=True).start()
    try:
        yield
    finally:
        left.set()


def has_died(seconds: float = 0.0) -> bool:
    """Tells whether it has ended, and waits for that for a while."""
    deadline = time.monotonic() + seconds
    while not _how_it_ended():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def ended_unheard(pid: int | None) -> bool:
    """Tells whether a process has ended of whose end nobody has told: it is stopped itself."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def lost_server() -> ChordsError:
    """Returns the error for a process that cannot be forked any more."""
    if (idle := _given_up.get(_server() or 0)) is not None:
        return ChordsError(
            "the process that starts the cores hangs: it did nothing for "
            f"{idle:g} s while it imported torch and diffusers",
            "try `python -c 'import torch, diffusers'` in this environment, and look at its disk",
        )
    has_died(_END_SECONDS)  # its files close before it can be asked how it ended
    quoted, how = last_line(start_log())[:200], _how_it_ended()
    return ChordsError(
        f"the process that starts the cores died{f': {how}' if how else ''}"
        f"{f' ({quoted})' if quoted else ''}",
        "run it again; if the system killed it for its memory, free some first",
    )


def _server() -> int | None:
    pid: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
    return pid


def _how_it_ended() -> str:
    """Says how it ended; nothing while it runs, and where multiprocessing has noticed already."""
    pid, found = _server(), None
    with suppress(ChildProcessError):
        if pid is not None and hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return ""
    if found.si_code == os.CLD_EXITED:
        return f"exit code {found.si_status}"
    return f"killed by {signal.Signals(found.si_status).name}"


def _watch(left: threading.Event) -> None:
    idle, limit, before, pid = 0.0, _IDLE_SECONDS, -1.0, None
    while not left.wait(_GLANCE_SECONDS):
        if (now := _server()) is None:
            continue
        with suppress(psutil.Error):
            server = psutil.Process(now)
            used, does = sum(server.cpu_times()[:2]), server.status()
            if (used, now) != (before, pid):
                idle, limit = 0.0, _IDLE_SECONDS
            elif does not in (psutil.STATUS_SLEEPING, psutil.STATUS_STOPPED):
                limit = _LONGER_SECONDS
            idle, before, pid = idle + _GLANCE_SECONDS, used, now
        if idle >= limit:
            _given_up[now] = idle
            kill_server()
            return


def _forget_server() -> None:
    """Makes a process that was forked from one with a server start its own."""
    known = forkserver._forkserver
    if _server() is not None:
        with suppress(OSError):
            os.close(known._forkserver_alive_fd)  # type: ignore[attr-defined]  # or it would outlive that process
        forkserver.ForkServer.__init__(known)


os.register_at_fork(after_in_child=_forget_server)
