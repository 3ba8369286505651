"""The process that commands are forked from, once it has imported torch and diffusers.

The process that a command forks its cores from is forked here too: it sleeps beside the command
until multiprocessing starts it, and is then what that would have started.
"""

import ctypes
import fcntl
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import termios
import traceback
import types
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import util
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000
_HIGH = 200  # no file that a process opens has such a number


def serve() -> dict[str, Any] | None:
    """Answers on standard input; returns what is asked for in the process of every command.

    Ends when nobody is left who may ask.
    """
    listener = socket.socket(fileno=os.dup(0))
    _silence_input()
    holders = set[socket.socket]()
    while True:
        ready, _, _ = select.select([listener, *holders], [], [])
        holders -= {holder for holder in holders & {*ready} if not holder.recv(1)}
        if listener in ready:
            link, _ = listener.accept()
            size, streams, _, _ = socket.recv_fds(link, 4, 3)
            request = json.loads(link.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
            if not request:
                holders.add(link)
            elif os.fork() == 0:
                for other in (listener, *holders):
                    other.close()
                _keep(link)
                link.close()
                _enter(request, streams)
                return request
            else:
                link.close()
                for stream in streams:
                    os.close(stream)
        if not holders:
            return None
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _silence_input() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)


def _keep(link: socket.socket) -> None:
    """Forks the command, and says its number and how it ends; returns in the command alone."""
    pid = os.fork()
    if pid == 0:
        return
    link.sendall(b"%d\n" % pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):  # nobody waits any more
        link.sendall(b"%d\n" % code)
    os._exit(0)


def _enter(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Makes this process what a command finds that has just been started."""
    if request["session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if request["session"] and os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if request["network"]:
        namespace = os.open(request["network"], os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(namespace)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    _settle(request["cwd"], request["environment"])
    tempfile.tempdir = None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = os.fdopen(
            number,
            "w" if number else "r",
            buffering=1 if number == 2 else -1,
            errors="backslashreplace" if number == 2 else None,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if os.environ.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    _prepare_server()


def _settle(cwd: str, environment: dict[str, str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    if environment.get("FAULT_DIR"):  # as Python's site does where a process starts from nothing
        from tests.faults.hooks.fault import install

        install()


def _prepare_server() -> None:
    """Forks what becomes the process that cores are forked from, when multiprocessing starts it."""
    asleep, waker = socket.socketpair()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    pid = os.fork()
    if pid == 0:
        waker.close()
        try:
            _sleep(asleep)
        except SystemExit:
            pass
        except BaseException:  # noqa: BLE001  as Python does before it exits
            traceback.print_exc()
        finally:
            os._exit(0)
    asleep.close()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    start = util.spawnv_passfds

    def started(path: bytes, args: Sequence[str], fds: Sequence[int]) -> int:
        if waker.fileno() < 0 or "multiprocessing.forkserver" not in args[-1]:
            return start(path, args, fds)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        told = {"code": args[-1], "fds": [*fds], "mask": [*mask]}
        message = json.dumps(
            told | {"cwd": str(Path.cwd()), "environment": dict(os.environ)}
        ).encode()
        with waker:
            socket.send_fds(waker, [len(message).to_bytes(4, "big")], fds)
            waker.sendall(message)
        return pid

    util.spawnv_passfds = started


def _sleep(waker: socket.socket) -> None:
    size, files, _, _ = socket.recv_fds(waker, 4, 2)
    if not size:  # the command has ended without it
        return
    told = json.loads(waker.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    waker.close()
    for number, file in enumerate(files):
        os.dup2(file, _HIGH + number)
        os.close(file)
    for number, wanted in enumerate(told["fds"]):
        os.dup2(_HIGH + number, wanted)
        os.close(_HIGH + number)
    _settle(told["cwd"], told["environment"])
    signal.pthread_sigmask(signal.SIG_SETMASK, told["mask"])
    exec(told["code"], {"__name__": "__main__"})


def _run(script: str | None, arguments: list[str]) -> None:
    sys.argv = [script or "chords", *arguments]
    if script is None:
        runpy.run_module("chords_cli", run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(script).parent))
        _run_script(Path(script))


def _run_script(path: Path) -> None:
    """Runs it as `python script.py` does: the module lives on while others may ask for it."""
    main = types.ModuleType("__main__")
    main.__file__, main.__builtins__ = str(path), __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    exec(compile(path.read_text(), str(path), "exec"), main.__dict__)


def _import() -> None:
    """Imports what commands and their cores import; not the module that forks cores."""
    from chords_cli.pipelines.load.reporting import set_environment

    set_environment()
    from chords_cli.pipelines.load.loading import pipeline_class

    for name in ("FluxPipeline", "WanPipeline"):
        pipeline_class(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _import()
    if (asked := serve()) is not None:
        _run(asked["script"], asked["arguments"])
