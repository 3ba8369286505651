"""Tries an exchange between processes, and leaves none of them behind; imports no torch itself."""

import multiprocessing
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from chords_cli.engine.exchange.trials.trial import Seen, Times, Trial, Way
from chords_cli.engine.logs import last_line, redirect_output, start_log, temporary_folder
from chords_cli.engine.start import Context, starting
from chords_cli.engine.watch.server import lost_server, not_waiting_for_ever
from chords_cli.errors import ChordsError
from chords_cli.pipelines.load.reporting import set_environment

_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Part:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    name: str


def run_trial(trial: Trial, context: Context, way: Way | None = None) -> Times:
    """Starts the processes, has them exchange latents, and ends them.

    Args:
        trial: What they do.
        context: How processes start.
        way: What a core does in a round; without one, the two additions of the algorithm alone.

    Raises:
        ChordsError: One could not be started, failed, or did not get on; none is left running.
    """
    parts: list[_Part] = []
    until = time.monotonic() + trial.patience
    with tempfile.TemporaryDirectory(dir=temporary_folder(), ignore_cleanup_errors=True) as folder:
        try:
            with starting(), not_waiting_for_ever():
                for core in range(trial.cores):
                    parts.append(_start(trial, context, way, core, Path(folder)))
            seen = _hear(parts, until)
        except (EOFError, ConnectionError) as error:
            raise lost_server() from error
        finally:
            for part in parts:
                part.process.kill()
                part.process.join(_END_SECONDS)
                part.pipe.close()
    begun, ended = seen[0], seen[-1]
    taken = (end - begin for begin, end in zip(begun.at, ended.at, strict=True))
    return Times(rounds=tuple(taken)[trial.warm_up :], own=ended.own)


def _start(trial: Trial, context: Context, way: Way | None, core: int, folder: Path) -> _Part:
    pipe, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_take_part,
        args=(trial, way, core, str(folder / "rendezvous"), str(start_log()), theirs),
        name=f"chords-trial-{core}",
        daemon=True,
    )
    process.start()
    theirs.close()  # so that a dead process is an end of file
    return _Part(process, pipe, f"process {core} on {trial.devices[core]}")


def _hear(parts: list[_Part], until: float) -> list[Seen]:
    """Returns what every process saw, in order."""
    seen, waiting = dict[Connection, Seen](), {part.pipe: part for part in parts}
    while waiting:
        ready = wait([*waiting], max(0.0, until - time.monotonic()))
        if not ready:
            late = ", ".join(part.name for part in waiting.values())
            raise ChordsError(f"no answer from {late} in time")
        for pipe in ready:
            assert isinstance(pipe, Connection), "only pipes are waited for"
            part = waiting.pop(pipe)
            try:
                told = pipe.recv()
            except EOFError:
                quoted = last_line(start_log())[:200]
                raise ChordsError(f"{part.name} died{f' ({quoted})' if quoted else ''}") from None
            if isinstance(told, ChordsError):
                raise told.reworded(f"{part.name}: {{message}}")
            seen[pipe] = told
    return [seen[part.pipe] for part in parts]


def _take_part(
    trial: Trial, way: Way | None, core: int, meeting: str, log: str, pipe: Connection
) -> None:
    """Begins one process, which has imported nothing yet where it was not forked."""
    redirect_output(log)
    set_environment()

    def end_with_parent() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    from chords_cli.engine.exchange.trials.rounds import bare, take_part

    try:
        pipe.send(take_part(core, trial, way or bare, Path(meeting)))
    except ChordsError as error:
        pipe.send(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the trial has failed
        pipe.send(ChordsError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"))
