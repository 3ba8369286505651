"""One fault, in one process, at one place of a run: `FAULT=place:who:kind:sample.nth`.

`place` is a name that the patches below give, `who` is `server`, `parent` or a process's number,
and `kind` is a signal, an exception, an error number, or one of nan, inf, hang, spin, exit,
segfault, eat, and cut, which is for FAULT_FILE; with slow, every step takes ten times as long. The
signal goes to the process itself, or to the one that FAULT_TARGET names, or to `group`. When it
happens, a line goes to `$FAULT_DIR/mark`; `$FAULT_DIR/pids/NAME` tells who is who.
"""

import builtins
import ctypes
import errno
import functools
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.doubles.patched_imports import PatchedImports

_PLACE, _WHO, _KIND, _WHEN = "", "", "", (0, 1)
_PATIENCE = 60.0
"""Seconds to wait for the first picture, where there may be none."""

_counts: Counter[tuple[str, int]] = Counter()
_me = "?"
_sample = 0
_stepped = 0.0


def install() -> None:
    """Patches what is imported from now on; the fault is read from the environment."""
    global _PLACE, _WHO, _KIND, _WHEN
    _PLACE, _WHO, _KIND, when = [*os.environ.get("FAULT", ":::").split(":"), "0.1"][:4]
    sample, _, nth = when.partition(".")
    _WHEN = int(sample or 0), int(nth or 1)
    if not any(isinstance(finder, PatchedImports) for finder in sys.meta_path):
        PatchedImports(_PATCHES, before={"chords_cli.engine.preload": _preload}).install()


def _name_me(name: str) -> None:
    global _me
    _me = name
    Path(os.environ["FAULT_DIR"], "pids", name).write_text(str(os.getpid()))


def _at(place: str) -> str:
    """Does the fault if its place and time have come; returns what is left for the caller to do."""
    if (place, _me) != (_PLACE, _WHO):
        return ""
    if _KIND == "slow":
        time.sleep(9 * min(time.monotonic() - _stepped, 1.0) if _stepped else 0.0)
        return ""
    sample = _sample if _WHEN[0] else 0
    _counts[place, sample] += 1
    if (sample, _counts[place, sample]) != _WHEN:
        return ""
    if sample > 1 or place == "between":
        _await_the_first_picture()
    with Path(os.environ["FAULT_DIR"], "mark").open("a") as file:
        file.write(f"{time.time()} {place} {_me} {_KIND}\n")
    return _strike()


def _await_the_first_picture() -> None:
    """So that it is kept: the second one begins while the first is decoded and written."""
    noted, end = Path(os.environ["FAULT_DIR"], "out", "run.json"), time.monotonic() + _PATIENCE
    while not noted.exists() and time.monotonic() < end:
        time.sleep(0.01)


def _strike() -> str:
    if _KIND.startswith("SIG"):
        name = os.environ.get("FAULT_TARGET", _me)
        group = name == "group"
        pids = Path(os.environ["FAULT_DIR"], "pids")
        pid = int((pids / ("parent" if group else name)).read_text())
        (os.killpg if group else os.kill)(pid, getattr(signal, _KIND))
    elif _KIND == "hang":
        threading.Event().wait()
    elif _KIND == "spin":
        while True:
            pass
    elif _KIND == "exit":
        os._exit(3)
    elif _KIND == "segfault":
        ctypes.string_at(0)
    elif _KIND == "cut":
        os.truncate(os.environ["FAULT_FILE"], 1000)
    elif _KIND == "eat":
        kept = []
        while True:
            kept.append(bytearray(64 << 20))
    elif hasattr(errno, _KIND):
        number = getattr(errno, _KIND)
        raise OSError(number, os.strerror(number))
    elif _KIND in ("nan", "inf"):
        return _KIND
    elif _KIND == "OutOfMemoryError":
        raise sys.modules["torch"].OutOfMemoryError("CUDA out of memory, said the hook")
    else:
        raise getattr(builtins, _KIND)("boom, said the hook,\non two lines")
    return ""


def _before(owner: Any, name: str, place: str, *, after: str = "") -> None:
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        _at(place)
        result = inner(*args, **kwargs)
        if after:
            _at(after)
        return result

    setattr(owner, name, outer)


def _worker(module: Any) -> None:
    if _me == "server":
        _at("imported")
    run, serve = module.run_worker, module._Worker._serve

    def run_worker(spec: Any, pipe: Any, lifeline: Any) -> None:
        _name_me(str(spec.process))
        _at("starting")
        run(spec, pipe, lifeline)

    def served(self: Any, job: Any) -> None:
        global _sample
        _sample += 1
        serve(self, job)
        _at("between")

    module.run_worker, module._Worker._serve = run_worker, served
    _before(module, "load_pipeline", "loading")
    _before(module.Exchange, "open", "meeting")
    _before(module.Exchange, "share", "encoding", after="encoded")


def _walk(module: Any) -> None:
    advance = module.Walk.advance

    def advanced(self: Any, latent: Any, drift: Any) -> Any:
        global _stepped
        number = _at("step")
        moved = advance(self, latent, drift * float(number) if number else drift)
        _stepped = time.monotonic()
        return moved

    module.Walk.advance = advanced
    _before(module.Line, "send", "sending", after="sent")
    _before(module.Line, "receive", "receiving")
    _before(module.Line, "close", "closing")
    _before(module.Walk, "_decode", "decoding")
    _before(module.CorePipeline, "decode", "in-decoder", after="decoded")


def _group(module: Any) -> None:
    _before(module.Group, "tell", "telling")
    _before(module.Group, "follow", "following")
    _before(module.Group, "send", "answering")
    _before(module.Group, "receive", "asking")


def _saving(module: Any) -> None:
    _before(module, "write_file", "saving")


def _files(module: Any) -> None:
    inner = module._write_through

    def half(path: Path, data: bytes) -> None:
        if ("half-saved", _me) == (_PLACE, _WHO):
            path.write_bytes(data[: len(data) // 2])
            _at("half-saved")
            path.unlink()
        inner(path, data)

    module._write_through = half


def _generate(module: Any) -> None:
    _name_me("parent")
    _before(module, "write_record", "recording", after="recorded")
    _before(module, "generate", "begins")


def _preload() -> None:
    _name_me("server")
    _at("importing")


_PATCHES = {
    "chords_cli.engine.worker": _worker,
    "chords_cli.engine.walk": _walk,
    "chords_cli.engine.exchange.group": _group,
    "chords_cli.runs.outputs.saving": _saving,
    "chords_cli.media.files": _files,
    "chords_cli.runs.generate.run": _generate,
}
