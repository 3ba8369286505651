"""One core's part of one job: what it hears, steps and lands while its pipeline's loop turns.

How the process of a core begins and ends is in `engine.worker`.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from torch import Tensor

from chords_cli.engine.exchange.group import Group
from chords_cli.engine.exchange.line import Line, NonFiniteError
from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.latents import is_finite, pack
from chords_cli.engine.members import Lead
from chords_cli.engine.messages import (
    Cancel,
    Decode,
    Decoded,
    Finish,
    Job,
    Landed,
    Quit,
    WorkerSpec,
)
from chords_cli.engine.watch.pulse import PoolGoneError, PoolPipe
from chords_cli.engine.watch.silences import COMPILING
from chords_cli.errors import ChordsError
from chords_cli.events import (
    CoreArrived,
    CoreCompiled,
    CoreCompiling,
    CoreDecoding,
    CoreEncoded,
    CoreStepped,
)
from chords_cli.pipelines.core_pipeline import CorePipeline
from chords_cli.pipelines.solver import StockSolver
from chords_cli.sampler.algorithms import start_core
from chords_cli.sampler.core import Core


class Walk:
    """The driver of a worker's pipeline (`pipelines.chain.Driver`) for one job.

    Args:
        job: The sample to make.
        spec: What the worker got when it started.
        pipeline: The core's pipeline, which this moves along the core's walk.
        exchange: The core's ends of the lines to its neighbours.
        pipe: The way to the pool and back.
        group: The lines to the core's helpers; None where it has none.
        encoded: How long the prompt took to encode or to arrive, if that was before.

    Attributes:
        stopped: Whether the core is no longer needed: the pool or the slower core has ended.
        encode_seconds: How long the prompt took to encode or to arrive.
    """

    def __init__(
        self,
        job: Job,
        spec: WorkerSpec,
        pipeline: CorePipeline,
        exchange: Exchange,
        pipe: PoolPipe,
        group: Group | None = None,
        *,
        encoded: float = 0.0,
    ) -> None:
        self._job, self._plan, self._rank = job, job.plan, spec.core
        self._dtype = spec.model.dtype
        self._pipeline, self._staging, self._pipe = pipeline, exchange.staging, pipe
        self._group = group
        self._steps = self._plan.walks[self._rank][: self._plan.evaluations[self._rank]]
        self._line = Line(
            exchange,
            self._rounds(self._plan.outgoing(self._rank)),
            self._rounds(self._plan.incoming(self._rank)),
        )
        self._core: Core | None = None
        self._prepared: Future[None] | None = None
        self._last_step: Callable[[], None] = lambda: None
        self._round = 0
        self._outputs: dict[int, Tensor] = {}
        self._wanted: list[int] = []
        self._finished = False
        self.stopped = False
        self.encode_seconds = encoded

    def run(self) -> None:
        """Walks, hands out the core's outputs, and decodes them until the pool wants no more."""
        job, plan = self._job, self._plan
        driver = Lead(self, self._group, self._pipeline) if self._group else self
        latent = self._pipeline.sample(job.call, job.seed, plan.steps, self._steps, driver)
        self._staging.finish()  # a preview lands before a result
        hit = next((h for h in plan.hits if h.core == self._rank and h.index > 0), None)
        if hit and latent is not None and not self.stopped:
            self._land(hit.index, hit.round, latent)
        self._last_step()
        self._staging.finish()
        self._pipe.send(CoreArrived(core=self._rank))
        self._pipe.turn("handing on its last latents")
        with self._naming_step():
            self._line.close()
        if self._group:
            self._group.close()
        self._decode_wanted()

    def begin(self, solver: StockSolver) -> None:
        """Prepares for a loop that is about to begin, so the prompt is encoded."""
        core = start_core(self._plan, self._rank, solver, self._line)

        def prepare() -> None:
            with suppress(ChordsError):  # the first step raises it if it is still an error then
                core.prepare()

        self._core, self._round = core, 0
        self.encode_seconds += self._pipeline.encode_seconds
        self._pipe.send(CoreEncoded(core=self._rank, seconds=self.encode_seconds))
        self._pipe.turn("taking a step")  # all that follows counts as sampling
        self._prepared = self._staging.run_in_background(prepare)

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        """Moves the latent as the plan's algorithm does, unless the core is no longer needed."""
        self._pipe.turn()
        self._line.expect(latent)
        self._hear()
        if self.stopped:
            return latent
        assert self._core is not None, "a loop begins before it takes a step"
        if self._round == 0 and self._prepared:
            self._prepared.result()
        round, waited = self._round, self._line.waited
        self._round += 1
        with self._naming_step():
            move = self._core.advance(latent, drift)
            self._line.check()
        if (preview := move.preview) is not None:
            landed = partial(self._land, 0, self._plan.hits[0].round, preview)
            self._staging.report(lambda: preview, landed)
        stepped = partial(self._tell_stepped, round, self._line.waited - waited, move.kept)
        if self._round < len(self._steps):
            self._staging.report(move.correction, stepped)
        else:  # the result lands first
            self._last_step = partial(self._staging.report, move.correction, stepped)
        self._hear()
        self.stopped |= self._line.ended
        return move.latent

    def _rounds(self, messages: dict[int, Any]) -> list[int]:
        """Returns the rounds of messages, by round, as far as this core walks."""
        return [round for round in sorted(messages) if round < len(self._steps)]

    def _tell_stepped(
        self, round: int, waited: float, kept: float | None, correction: Tensor | None
    ) -> None:
        self._pipe.send(
            CoreStepped(
                core=self._rank,
                round=round,
                step=self._steps[round],
                stop=self._plan.reached(self._rank, round),
                evaluations=self._plan.evaluations[self._rank],
                correction=None if correction is None else float(correction),
                waited=waited,
                kept=kept,
            )
        )

    def _land(self, index: int, round: int, latent: Tensor, host: Tensor | None = None) -> None:
        """Sends an output to the pool; `host` holds its values where these were copied already."""
        values = latent.cpu() if host is None else host
        if not is_finite(values):
            raise self._not_finite(f"output {index}")
        self._outputs[index] = latent
        self._pipe.send(
            Landed(
                number=self._job.number,
                core=self._rank,
                index=index,
                round=round,
                latent=pack(values),
                at=time.monotonic(),
            )
        )

    @contextmanager
    def _naming_step(self) -> Iterator[None]:
        """Turns a latent that is not finite into an error that names its step."""
        try:
            yield
        except NonFiniteError as error:
            step = self._steps[error.round]
            raise self._not_finite(f"the latent after step {step}") from None

    def _not_finite(self, what: str) -> ChordsError:
        wider = {"float16": ["bfloat16", "float32"], "bfloat16": ["float32"]}.get(self._dtype)
        return ChordsError(
            f"{what} is not finite: the model made nan or inf in {self._dtype}",
            f"try {'{dtype}, or ' if wider else ''}a smaller {{guidance}}"
            + ("" if wider else "; if that does not help, its weights may be damaged"),
            {"dtype": wider, "guidance": None},
        )

    def _hear(self, *, wait: bool = False) -> None:
        """Takes what the pool has sent about the job; waits for one message if asked to."""
        number = self._job.number
        while wait or self._pipe.poll():
            wait = False
            match self._pipe.recv():
                case Decode(job, index) if job == number:
                    self._wanted.append(index)
                case Cancel(job) if job == number:
                    self.stopped = True
                case Finish(job) if job == number:
                    self._finished = True
                case Quit():
                    raise PoolGoneError

    def _decode_wanted(self) -> None:
        """Decodes what the pool asks for until it wants nothing more."""
        while True:
            for index in sorted(self._wanted, reverse=True):  # the arrival before the preview
                self._decode(index)
            self._wanted.clear()
            if self._finished:
                return
            self._hear(wait=True)

    def _decode(self, index: int) -> None:
        job, began = self._job, time.monotonic()
        self._pipe.turn("decoding")
        self._pipe.send(CoreDecoding(core=self._rank, index=index))
        latent = self._outputs[index]
        frames = self._pipeline.decode(job.call, job.seed, job.plan.steps, latent)
        self._pipe.send(
            Decoded(
                number=job.number,
                core=self._rank,
                index=index,
                frames=frames,
                seconds=time.monotonic() - began,
            )
        )


def rehearse(
    job: Job, spec: WorkerSpec, pipeline: CorePipeline, pipe: PoolPipe, group: Group | None
) -> CoreCompiled:
    """Calls the model as the job will, so that torch compiles it; returns how long that took.

    At the first and at the last step of the core's walk: a model may have two denoisers, and what
    torch prepares with one call it may only record with the next.
    """
    rehearsal = _Rehearsal(spec, pipe)
    walk = job.plan.walks[spec.core][: job.plan.evaluations[spec.core]]
    ends = tuple(dict.fromkeys((*walk[:1], *walk[-1:])))
    pipeline.sample(job.call, job.seed, job.plan.steps, ends, rehearsal)
    if group:
        group.close()
    return CoreCompiled(
        core=spec.core,
        member=spec.member,
        seconds=time.monotonic() - rehearsal.began,
        encoded=pipeline.encode_seconds,
    )


class _Rehearsal:
    """The driver of a loop that moves nothing."""

    stopped = False

    def __init__(self, spec: WorkerSpec, pipe: PoolPipe) -> None:
        self._spec, self._pipe = spec, pipe
        self.began = time.monotonic()

    def begin(self, solver: StockSolver) -> None:
        """Tells that torch begins to compile."""
        self.began = time.monotonic()
        self._pipe.turn(COMPILING)
        self._pipe.send(CoreCompiling(core=self._spec.core, member=self._spec.member))

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        """Waits until the drift is computed, and stays where it is."""
        drift.flatten()[:1].cpu()
        self._pipe.turn()
        return latent
