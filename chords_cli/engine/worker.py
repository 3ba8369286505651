"""A core's process: loads its part of the model, then serves jobs until it is told to quit."""

import os
import resource
import signal
import threading
import time
import traceback
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chords_cli.engine.exchange import Exchange, Line, LostNeighbourError
from chords_cli.engine.latents import pack
from chords_cli.engine.messages import (
    Decode,
    Decoded,
    Failed,
    Finish,
    Finished,
    Job,
    Landed,
    Quit,
    Stop,
    WorkerSpec,
)
from chords_cli.engine.staging import staging_for
from chords_cli.errors import ChordsError
from chords_cli.events import (
    CoreArrived,
    CoreDecoding,
    CoreEncoded,
    CoreLoading,
    CoreReady,
    CoreStarted,
    CoreStepped,
)
from chords_cli.pipelines.chain import Chain
from chords_cli.pipelines.core_pipeline import CorePipeline
from chords_cli.pipelines.load.accelerator import (
    is_out_of_memory,
    make_current,
    peak_memory,
    reset_peak_memory,
)
from chords_cli.pipelines.load.loading import load_pipeline, loaded_components
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.reporting import quiet_libraries
from chords_cli.pipelines.load.weights import Reading
from chords_cli.sampler.algorithms import start_core
from chords_cli.sampler.core import Core


def run_worker(spec: WorkerSpec, pipe: Connection, lifeline: Connection) -> None:
    """The main function of core `spec.core`; `lifeline` ends when the pool's process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool decides what Ctrl-C means
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    to_pool = _Pipe(pipe)
    try:
        _Worker(spec, to_pool).serve()
    except EOFError:
        return  # the pool is gone
    except Exception as error:  # noqa: BLE001  the border of the process: nothing may get lost
        to_pool.send(_failure(spec, error))


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(1)


def _failure(spec: WorkerSpec, error: Exception) -> Failed:
    known = isinstance(error, ChordsError)
    message, hint = str(error), error.hint if isinstance(error, ChordsError) else ""
    # the host's allocator has no error class of its own, and sizes above 2^63 never reach it
    host_is_full = isinstance(error, MemoryError) or any(
        words in message for words in ("DefaultCPUAllocator", "Storage size calculation")
    )
    if host_is_full or is_out_of_memory(error):
        message = f"out of memory on {'cpu' if host_is_full else spec.device}"
        hint = (
            "use a smaller --width, --height or --frames, a preset with tiling, or devices with "
            "more memory"
        )
    elif not known:
        message = f"{type(error).__name__}: {' '.join(message.split())}"
        hint = "set CHORDS_DEBUG=1 to see the traceback"
    return Failed(
        core=spec.core,
        message=f"core {spec.core} on {spec.device}: {message}",
        hint=hint,
        exit_code=error.exit_code if isinstance(error, ChordsError) else 1,
        details="".join(traceback.format_exception(error)),
        lost_neighbour=isinstance(error, LostNeighbourError),
    )


@dataclass
class _Task:
    """What a worker knows about the job it serves."""

    job: Job
    line: Line
    encode_seconds: float = 0.0
    outputs: dict[int, Tensor] = field(default_factory=dict)
    wanted: list[int] = field(default_factory=list)
    stopped: bool = False
    finished: bool = False


class _Pipe:
    """The worker's end of its pipe, on which reports of the device speak beside the loop."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._speaking = pipe, threading.Lock()
        self.poll, self.recv = pipe.poll, pipe.recv

    def send(self, message: object) -> None:
        with self._speaking:
            self._pipe.send(message)


class _Worker:
    def __init__(self, spec: WorkerSpec, pipe: _Pipe) -> None:
        self._spec, self._pipe, self._cores = spec, pipe, spec.cores
        self._device = torch.device(spec.device)

    def serve(self) -> None:
        self._load()
        while not isinstance(message := self._pipe.recv(), Quit):
            if isinstance(message, Job):
                self._do(message)
        self._exchange.close()

    def _load(self) -> None:
        spec, core, began = self._spec, self._spec.core, time.monotonic()
        self._pipe.send(CoreStarted(core=core, device=spec.device, pid=os.getpid()))
        torch.set_num_threads(spec.threads)
        make_current(self._device)
        self._staging = staging_for(self._device)
        self._exchange = Exchange(
            core, spec.cores, Path(spec.rendezvous), spec.timeout, self._staging
        )
        reading = Reading(
            lambda what, done, total: self._pipe.send(
                CoreLoading(core=core, what=what, done=done, total=total)
            )
        )
        quiet_libraries(reading.hear)
        pipeline = load_pipeline(
            spec.model,
            device=self._device,
            encodes=core == 0,
            decodes=spec.decodes,
            reading=reading,
        )
        self._exchange.open()
        encoders = Encoders(pipeline, spec.model, self._device)
        self._pipeline = CorePipeline(pipeline, core, self._share, encoders)
        self._pipe.send(
            CoreReady(
                core=core,
                components=loaded_components(pipeline),
                seconds=time.monotonic() - began,
            )
        )

    def _share(self, value: Any) -> Any:
        return self._exchange.share(value, self._cores)

    def _prepare(self, job: Job) -> None:
        """Makes this one of the job's cores, as if the pool had no others."""
        self._cores = job.plan.cores
        torch.set_num_threads(job.threads)
        if job.encodes:
            self._pipeline.forget()
        reset_peak_memory(self._device)

    def _do(self, job: Job) -> None:
        self._prepare(job)
        plan, core = job.plan, self._spec.core
        ran = plan.evaluations[core]
        line = self._exchange.line(
            [round for round in sorted(plan.outgoing(core)) if round < ran],
            [round for round in sorted(plan.incoming(core)) if round < ran],
        )
        task = _Task(job, line)
        walk = plan.walks[core][:ran]
        latent = self._pipeline.sample(
            job.call, job.seed, plan.steps, walk, lambda chain: self._lead(task, chain)
        )
        hit = next((h for h in plan.hits if h.core == core and h.index > 0), None)
        self._staging.finish()
        if hit and latent is not None and not task.stopped:
            self._land(task, hit.index, hit.round, latent)
        self._pipe.send(CoreArrived(core=core))
        line.close()
        self._serve_outputs(task)
        self._pipe.send(
            Finished(
                number=job.number,
                core=core,
                encode_seconds=task.encode_seconds,
                peak_memory=self._peak_memory(),
            )
        )

    def _lead(self, task: _Task, chain: Chain) -> None:
        """Has the pipeline's latent moved by the core of the plan's algorithm."""
        plan, core = task.job.plan, self._spec.core
        moving = start_core(plan, core, chain.solver, task.line)
        rounds = iter(range(plan.evaluations[core]))

        def advance(latent: Tensor, drift: Tensor) -> Tensor:
            task.line.expect(latent)
            self._hear(task)
            if task.stopped:
                chain.stop()
                return latent
            moved = self._step(task, moving, next(rounds), latent, drift)
            if task.stopped:
                chain.stop()
            return moved

        chain.lead(advance, begin=lambda: self._tell_encoded(task))

    def _tell_encoded(self, task: _Task) -> None:
        task.encode_seconds = self._pipeline.encode_seconds
        self._pipe.send(CoreEncoded(core=self._spec.core, seconds=task.encode_seconds))

    def _step(self, task: _Task, moving: Core, round: int, latent: Tensor, drift: Tensor) -> Tensor:
        plan, core, waited = task.job.plan, self._spec.core, task.line.waited
        step, stop = plan.walks[core][round], plan.stop(core, round)
        move = moving.advance(latent, drift)
        if (preview := move.preview) is not None:
            self._staging.report(
                lambda: preview, partial(self._land, task, 0, plan.hits[0].round, preview)
            )
        self._staging.report(
            move.correction,
            partial(
                self._tell_stepped,
                core=core,
                round=round,
                step=step,
                stop=stop,
                evaluations=plan.evaluations[core],
                waited=task.line.waited - waited,
            ),
        )
        self._hear(task)
        task.stopped |= task.line.ended
        return move.latent

    def _tell_stepped(self, correction: Tensor | None, **facts: Any) -> None:
        size = None if correction is None else float(correction)
        self._pipe.send(CoreStepped(correction=size, **facts))

    def _land(
        self, task: _Task, index: int, round: int, latent: Tensor, host: Tensor | None = None
    ) -> None:
        found = latent if host is None else host
        if not found.isfinite().all():
            dtype = self._spec.model.dtype
            wider = "--dtype bfloat16, or " if dtype == "float16" else ""
            raise ChordsError(
                f"output {index} is not finite: the model made nan or inf in {dtype}",
                f"try {wider}a smaller --guidance",
            )
        task.outputs[index] = latent
        self._pipe.send(
            Landed(
                number=task.job.number,
                core=self._spec.core,
                index=index,
                round=round,
                latent=pack(found),
                at=time.monotonic(),
            )
        )

    def _hear(self, task: _Task, *, wait: bool = False) -> None:
        """Takes what the pool has said about the job; waits for one word if asked to."""
        while wait or self._pipe.poll():
            wait = False
            match self._pipe.recv():
                case Decode(number, index) if number == task.job.number:
                    task.wanted.append(index)
                case Stop(number) if number == task.job.number:
                    task.stopped = True
                case Finish(number) if number == task.job.number:
                    task.finished = True
                case Quit():
                    raise EOFError

    def _serve_outputs(self, task: _Task) -> None:
        """Decodes what is asked for until the pool wants nothing more."""
        while True:
            for index in sorted(task.wanted, reverse=True):  # the arrival before the preview
                self._decode(task, index)
            task.wanted.clear()
            if task.finished:
                return
            self._hear(task, wait=True)

    def _decode(self, task: _Task, index: int) -> None:
        job, core, began = task.job, self._spec.core, time.monotonic()
        self._pipe.send(CoreDecoding(core=core, index=index))
        frames = self._pipeline.decode(job.call, job.seed, job.plan.steps, task.outputs[index])
        self._pipe.send(
            Decoded(
                number=job.number,
                core=core,
                index=index,
                frames=frames,
                seconds=time.monotonic() - began,
            )
        )

    def _peak_memory(self) -> tuple[int | None, int]:
        host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return peak_memory(self._device), host
