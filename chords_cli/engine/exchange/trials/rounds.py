"""What the processes of a trial do: hand a latent on, as a wavefront does in every round.

Core k waits for the latent of core k - 1, adds its own sum (which is ready before), adds its share
of the next core's, and sends that on. The clock is the machine's, so its readings compare across
processes.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from chords_cli.engine.exchange.line import Line
from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.exchange.staging import staging_for
from chords_cli.engine.exchange.trials.trial import Round, Seen, Trial, Way
from chords_cli.pipelines.load.accelerator import has_streams, make_current, module_of

_SETTLE = 0.01
"""Seconds that core 0 waits before a round, so that all others wait for their message."""


def take_part(core: int, trial: Trial, way: Way, meeting: Path) -> Seen:
    """Does one core's part; they meet by the file `meeting`.

    Raises:
        ChordsError: Another process is gone, or does not get on.
    """
    torch.set_num_threads(1)
    device = torch.device(trial.devices[core])
    make_current(device)
    exchange = Exchange(core, trial.cores, meeting, trial.patience, staging_for(device))
    exchange.open()
    sends = list(range(trial.rounds)) if core + 1 < trial.cores else []
    line = Line(exchange, sends, list(range(trial.rounds)) if core else [])
    like = torch.zeros(1, trial.elements, device=device)
    line.expect(like)
    step = way(core, trial, line, like)

    def settle() -> None:
        if has_streams(device):  # the host has always done what it was told
            module_of(device).synchronize(device)

    at = _with_pauses(step, core, trial, settle)
    own = _without_pauses(step, trial, settle)
    dist.barrier()
    line.close()
    exchange.close()
    return Seen(tuple(at), own)


def bare(core: int, trial: Trial, line: Line, like: Tensor) -> Round:
    """Does the two additions that a hop needs, and no more."""
    own, drift = torch.full_like(like, 0.5), torch.full_like(like, 0.25)

    def step(round: int) -> None:
        latent = line.receive(round, own).add_(own) if core else own
        if core + 1 < trial.cores:
            line.send(round, torch.add(latent, drift, alpha=0.1))

    return step


def _with_pauses(step: Round, core: int, trial: Trial, settle: Callable[[], None]) -> list[float]:
    """Returns when every round began, on core 0, or was over, on the last one."""
    times = []
    for round in range(trial.rounds // 2):
        settle()
        dist.barrier()
        if core == 0:
            time.sleep(_SETTLE)
            times.append(time.monotonic())
        step(round)
        if core == trial.cores - 1:
            settle()
            times.append(time.monotonic())
    return times


def _without_pauses(step: Round, trial: Trial, settle: Callable[[], None]) -> float:
    """Returns the seconds of a round, as the last core sees it."""
    first, began = trial.rounds // 2, time.monotonic()
    dist.barrier()
    for round in range(first, trial.rounds):
        if round == first + trial.warm_up:
            settle()
            began = time.monotonic()
        step(round)
    settle()
    return (time.monotonic() - began) / trial.repeats
