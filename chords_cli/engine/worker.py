"""A core's process: loads its part of the model, then serves jobs until it is told to quit."""

import os
import resource
import signal
import threading
import time
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import torch
from safetensors import SafetensorError

from chords_cli.engine.exchange.allocator import keep_freed_memory
from chords_cli.engine.exchange.context import backend_for, make_mesh, naming_its_members
from chords_cli.engine.exchange.group import Group
from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.exchange.rendezvous import rendezvous_for
from chords_cli.engine.exchange.staging import staging_for
from chords_cli.engine.latents import unpack
from chords_cli.engine.members import Helper
from chords_cli.engine.messages import (
    Compile,
    Decoded,
    Failed,
    Finished,
    Job,
    LostNeighbourError,
    Quit,
    Restore,
    WaitedInVainError,
    WorkerSpec,
)
from chords_cli.engine.room import announce_latent, latents_held
from chords_cli.engine.walk import Walk, rehearse
from chords_cli.engine.watch.pulse import PoolGoneError, PoolPipe
from chords_cli.errors import ChordsError, verbatim
from chords_cli.events import CoreLoading, CoreReady, CoreStarted, Warned
from chords_cli.pipelines.core_pipeline import CorePipeline
from chords_cli.pipelines.load.accelerator import (
    has_streams,
    is_out_of_memory,
    make_current,
    peak_memory,
    reset_peak_memory,
)
from chords_cli.pipelines.load.attention import refused_by_attention
from chords_cli.pipelines.load.context import share_context
from chords_cli.pipelines.load.loading import load_pipeline, load_scheduler, loaded_components
from chords_cli.pipelines.load.offload import Encoders
from chords_cli.pipelines.load.reporting import report_loading, report_warnings
from chords_cli.pipelines.load.weights import Reading
from chords_cli.pipelines.said import Said
from chords_cli.pipelines.split import GuidanceSplit


def run_worker(spec: WorkerSpec, pipe: PoolPipe, lifeline: Connection) -> None:
    """Runs a member of core `spec.core`; `lifeline` ends when the pool's process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool decides what Ctrl-C means
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    try:
        _Worker(spec, pipe).run()
    except PoolGoneError:
        return
    except Exception as error:  # noqa: BLE001  the border of the process: nothing may get lost
        pipe.send(_failed(spec, error, pipe.doing))


class _Worker:
    def __init__(self, spec: WorkerSpec, pipe: PoolPipe) -> None:
        self._spec, self._pipe, self._cores = spec, pipe, spec.cores
        self._device, self._scheduler = torch.device(spec.device), spec.model.scheduler
        self._encoded, self._held = 0.0, 0
        self._said = Said(
            lambda text: pipe.send(Warned(core=spec.core, member=spec.member, text=text))
        )

    def run(self) -> None:
        self._load()
        while not isinstance(message := self._pipe.recv(), Quit):
            if isinstance(message, Job):
                self._serve(message)
            elif isinstance(message, Compile):
                self._compile(message.job)
            elif isinstance(message, Restore):
                self._restore(message)
        self._exchange.close()

    def _load(self) -> None:
        spec, core, began = self._spec, self._spec.core, time.monotonic()
        self._pipe.turn("loading")
        started = CoreStarted(core=core, member=spec.member, device=spec.place, pid=os.getpid())
        self._pipe.send(started)
        torch.set_num_threads(spec.threads)
        make_current(self._device)
        self._exchange = self._make_exchange()
        self._group = Group(self._exchange, spec.contexts) if spec.members > 1 else None
        reading = Reading(
            lambda what, done, total: self._pipe.send(
                CoreLoading(core=core, member=spec.member, what=what, done=done, total=total)
            )
        )
        report_loading(reading.hear)
        report_warnings(self._said)
        pipeline = load_pipeline(
            spec.model,
            device=self._device,
            encodes=spec.rank == 0,
            decodes=spec.decodes,
            reading=reading,
        )
        if not has_streams(self._device):
            keep_freed_memory()
        self._pipe.turn("meeting the other cores")
        self._exchange.open()
        if spec.contexts > 1:
            mesh = make_mesh(self._exchange, spec.contexts, self._device.type)
            share_context(pipeline, mesh, spec.contexts)
        self._pipeline = self._as_core(pipeline)
        self._pipe.turn("waiting for work")
        self._pipe.send(
            CoreReady(
                core=core,
                member=spec.member,
                components=loaded_components(pipeline),
                seconds=time.monotonic() - began,
            )
        )

    def _make_exchange(self) -> Exchange:
        spec = self._spec
        return Exchange(
            spec.rank,
            spec.cores * spec.members,
            rendezvous_for(spec),
            spec.timeout,
            staging_for(self._device),
            self._pipe.waiting,
            spec.members,
            backend_for(self._device.type, spec.contexts),
            spec.first,
            spec.key,
        )

    def _as_core(self, pipeline: Any) -> CorePipeline:
        """Makes of a loaded pipeline what samples and decodes here."""
        spec, split = self._spec, None
        if self._group and spec.members > spec.contexts:
            split = GuidanceSplit(spec.branch, self._group)

        def make_room(latent: torch.Tensor) -> None:
            if self._cores > 1:  # else nothing is exchanged
                self._exchange.make_room(latent, self._held)

        if not spec.member:
            announce_latent(pipeline, make_room)
        return CorePipeline(
            pipeline,
            spec.rank,
            lambda value: self._exchange.share(value, self._cores),
            Encoders(pipeline, spec.model, self._device),
            self._said,
            cache=spec.model.cache,
            split=split,
            context=spec.contexts > 1,
        )

    def _turn_to(self, job: Job) -> None:
        """Makes this one of the job's cores, as if the pool had no others."""
        self._cores, self._held = job.plan.cores, latents_held(job.plan, self._spec.core)
        self._said.begin()
        self._pipe.turn("encoding the prompt")
        self._exchange.settle()
        torch.set_num_threads(job.threads)
        if job.encodes:
            self._pipeline.forget()
        if job.scheduler != self._scheduler:
            self._scheduler = job.scheduler
            self._pipeline.follow(
                load_scheduler(replace(self._spec.model, scheduler=job.scheduler))
            )
        self._pipeline.use_cache(job.cache)
        reset_peak_memory(self._device)

    def _compile(self, job: Job) -> None:
        """Has torch compile what the job will use, before anybody waits for a step of it."""
        self._turn_to(job)
        with naming_its_members(self._exchange):
            compiled = rehearse(job, self._spec, self._pipeline, self._pipe, self._group)
        self._encoded = compiled.encoded
        self._pipe.turn("waiting for work")
        self._pipe.send(compiled)

    def _serve(self, job: Job) -> None:
        """Does this process's part of the job, as if the pool had no cores but the job's."""
        self._turn_to(job)
        with naming_its_members(self._exchange):
            encode_seconds = self._make(job)
        self._pipe.turn("waiting for work")
        host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._pipe.send(
            Finished(
                number=job.number,
                core=self._spec.core,
                member=self._spec.member,
                encode_seconds=encode_seconds,
                peak_memory=(peak_memory(self._device), host),
                evaluated=self._pipeline.evaluated,
            )
        )

    def _make(self, job: Job) -> float:
        """Walks or helps; returns how long the prompt took to arrive."""
        encoded, self._encoded = self._encoded, 0.0
        if self._group and self._spec.member:
            return encoded + self._help(job, self._group)
        way = self._pipeline, self._exchange, self._pipe, self._group
        walk = Walk(job, self._spec, *way, encoded=encoded)
        walk.run()
        return walk.encode_seconds

    def _help(self, job: Job, group: Group) -> float:
        """Helps this core's lead through the job; returns how long the prompt took to arrive."""
        plan, core = job.plan, self._spec.core
        walk = plan.walks[core][: plan.evaluations[core]]
        stops = (plan.reached(core, round) for round in range(len(walk)))
        helper = Helper(group, self._pipe, stops)
        self._pipeline.sample(job.call, job.seed, plan.steps, walk, helper)
        group.close()
        return self._pipeline.encode_seconds

    def _restore(self, wanted: Restore) -> None:
        """Decodes a latent that an earlier run has kept."""
        began, self._cores = time.monotonic(), 1
        self._pipe.turn("decoding")
        torch.set_num_threads(wanted.threads)
        latent = unpack(wanted.latent).to(self._device)
        frames = self._pipeline.decode(wanted.call, wanted.seed, wanted.steps, latent, own=False)
        self._pipe.send(
            Decoded(
                number=wanted.number,
                core=self._spec.core,
                index=0,
                frames=frames,
                seconds=time.monotonic() - began,
            )
        )


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(1)


def _failed(spec: WorkerSpec, error: Exception, doing: str) -> Failed:
    """Tells the pool which error ends this worker."""
    return Failed(
        core=spec.core,
        error=_explained(spec, error, doing).reworded(f"{spec.name} on {spec.place}: {{message}}"),
        details="".join(traceback.format_exception(error)),
    )


def _explained(spec: WorkerSpec, error: Exception, doing: str) -> ChordsError:
    """Returns the error in words that a user understands."""
    message = str(error)
    # the host's allocator has no error class of its own, and sizes above 2^63 never reach it
    host_is_full = isinstance(error, MemoryError) or any(
        words in message for words in ("DefaultCPUAllocator", "Storage size calculation")
    )
    if host_is_full or is_out_of_memory(error):
        kind = type(error) if isinstance(error, ChordsError) else ChordsError
        return kind(
            f"out of memory on {'cpu' if host_is_full else spec.device} while {doing}",
            "use a smaller {width}, {height} or {frames}, a preset with tiling, or devices with "
            "more memory",
            {"width": None, "height": None, "frames": None},
        )
    if isinstance(error, LostNeighbourError | WaitedInVainError):
        return error
    if spec.model.attention and (refused := refused_by_attention(spec.model, error)):
        return refused
    if isinstance(error, ChordsError):
        return error
    if doing == "loading" and isinstance(error, OSError | SafetensorError):
        return ChordsError(
            f"{spec.model.pipeline} could not be loaded from {verbatim(spec.model.folder)}: "
            f"{' '.join(message.split())}",
            "check that the folder is complete and that its weights are safetensors",
        )
    return ChordsError(
        f"{type(error).__name__} while {doing}: {' '.join(message.split())}",
        "set CHORDS_DEBUG=1 to see the traceback",
    )
