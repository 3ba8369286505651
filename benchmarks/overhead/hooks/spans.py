"""Notes in every process what it does when, and lets its model wait instead of compute.

Read by a Python that has this folder on PYTHONPATH; what it does is in its environment:

    OVERHEAD_TRACE   the folder that gets a file of spans a process: [name, begin, end] on the
                     machine's monotonic clock, in seconds
    OVERHEAD_DRIFT   seconds that one call of the transformer takes, by sleeping; its answer is a
                     tenth of its input. Without it the transformer is what it is
    OVERHEAD_DECODE  seconds that the autoencoder takes for a picture, by sleeping as well
    OVERHEAD_ENCODE  seconds that the last text encoder takes for a prompt, by sleeping
    OVERHEAD_SAVE    seconds that writing a file takes, by sleeping
    OVERHEAD_FREE    1: leaves the wavefront's arithmetic out, as where a device adds for nothing.
                     Its pictures are wrong; what is left is the exchange, Python and copies
"""

import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.doubles.patched_imports import PatchedImports

_spans: list[tuple[str, float, float]] = []
_now = time.monotonic


def install() -> None:
    """Patches what is imported from now on."""
    PatchedImports(_PATCHES).install()


def _save(name: str) -> None:
    Path(os.environ["OVERHEAD_TRACE"], f"{name}.json").write_text(json.dumps(_spans))
    _spans.clear()


def _note(owner: Any, name: str, label: str) -> None:
    """Notes a span of every call of a function."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        began = _now()
        try:
            return inner(*args, **kwargs)
        finally:
            _spans.append((label, began, _now()))

    setattr(owner, name, outer)


def _worker(module: Any) -> None:
    load, serve = module.load_pipeline, module._Worker._serve

    def loaded(*args: Any, **kwargs: Any) -> Any:
        began = _now()
        pipe = load(*args, **kwargs)
        _spans.append(("load", began, _now()))
        _wait_in(pipe.transformer)
        _wait_after(pipe.vae, "decode", _seconds("OVERHEAD_DECODE"))
        encoder = getattr(pipe, "text_encoder_2", pipe.text_encoder)
        if encoder is not None:
            _wait_after(encoder, "forward", _seconds("OVERHEAD_ENCODE"))
        return pipe

    def served(self: Any, job: Any) -> None:
        serve(self, job)
        _save(f"core-{self._spec.core}-{self._spec.member}-{job.number}")

    module.load_pipeline, module._Worker._serve = loaded, served


def _wait_in(transformer: Any) -> None:
    told = os.environ.get("OVERHEAD_DRIFT")
    stock: Callable[..., Any] = transformer.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        began = _now()
        if told is None:
            answer = stock(*args, **kwargs)
        else:
            answer = ((args[0] if args else kwargs["hidden_states"]) * 0.1,)
            time.sleep(max(0.0, began + float(told) - _now()))
        _spans.append(("drift", began, _now()))
        return answer

    transformer.forward = forward


def _seconds(name: str) -> float:
    return float(os.environ.get(name, 0.0))


def _wait_after(owner: Any, name: str, seconds: float) -> None:
    inner = getattr(owner, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        answer = inner(*args, **kwargs)
        time.sleep(seconds)
        return answer

    setattr(owner, name, outer)


def _walk(module: Any) -> None:
    _note(module.Walk, "begin", "begin")
    _note(module.Walk, "advance", "advance")
    _note(module.Walk, "_land", "land")
    _note(module.Walk, "_decode", "decode")
    _note(module.Line, "receive", "receive")
    _note(module.Line, "send", "send")
    _note(module.Line, "close", "close")


def _group(module: Any) -> None:
    for name in ("send", "receive", "tell", "follow"):
        _note(module.Group, name, "split")


def _wavefront(module: Any) -> None:
    if os.environ.get("OVERHEAD_FREE") != "1":
        return

    def advance(self: Any, latent: Any, drift: Any) -> Any:
        if self._grid is None:
            self.prepare()
        round, step = self._round, self._plan.walks[self._core][self._round]
        stop = self._plan.reached(self._core, round)
        self._round += 1
        moved = latent
        if not self._exact:
            self._carried(latent, drift, step)
        if round in self._incoming:
            moved = self._link.receive(round, like=latent)
        if round in self._outgoing:
            self._link.send(round, moved)
        self._solver.settle(stop, jumped=stop > step + 1, rectified=not self._exact)
        preview = module.previewed(self._plan, self._core, round, self._solver, latent, drift)
        return module.Move(moved, preview, None)

    module.WavefrontCore.advance = advance


def _generate(module: Any) -> None:
    """Keeps the parent's spans: when it begins, hears of an event, and has written a file."""
    began, tell = _now(), module._Run._tell

    def heard(self: Any, event: Any) -> None:
        _spans.append((f"{type(event).__name__} {getattr(event, 'core', '')}", event.at, _now()))
        tell(self, event)

    generate = module.generate

    def generated(*args: Any, **kwargs: Any) -> Any:
        try:
            return generate(*args, **kwargs)
        finally:
            _spans.append(("parent", began, _now()))
            _save("parent")

    module._Run._tell, module.generate = heard, generated


def _saving(module: Any) -> None:
    _wait_after(module, "write_file", _seconds("OVERHEAD_SAVE"))


_PATCHES = {
    "chords_cli.engine.worker": _worker,
    "chords_cli.engine.walk": _walk,
    "chords_cli.engine.exchange.group": _group,
    "chords_cli.sampler.wavefront_core": _wavefront,
    "chords_cli.runs.generate.run": _generate,
    "chords_cli.runs.outputs.saving": _saving,
}
