"""One sample as the pool sees it: outputs land, one of them is chosen, pictures come back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chords_cli.engine.latents import residual
from chords_cli.engine.messages import (
    Cancel,
    Compile,
    Decode,
    Decoded,
    Finish,
    Finished,
    Job,
    Landed,
    Latent,
)
from chords_cli.errors import ChordsError
from chords_cli.events import (
    CoreArrived,
    CoreCompiled,
    CoreEncoded,
    CoreStepped,
    Listener,
    OutputLanded,
    Warned,
)
from chords_cli.sampler.estimate import estimated_error
from chords_cli.sampler.stop import StopRule


@dataclass(frozen=True, kw_only=True, slots=True)
class SampledOutput:
    """One output of a job.

    Attributes:
        index: 0 for the preview, then 1, 2, ... in order of arrival.
        core: The core that made it.
        round: How many rounds were over.
        residual: The distance to the output before it; None without one of an earlier round.
        seconds: Counted from the job's start.
        chosen: Whether it is the result: the stop rule chose it.
        latent: Its latent.
        frames: Its picture or video; None before it is decoded, and afterwards not kept.
        decode_seconds: None before it is decoded.
        size: Its frames, height and width; None before it is decoded.
        warnings: What the user has to know of it, as far as that was known when it was decoded.
    """

    index: int
    core: int
    round: int
    residual: float | None
    seconds: float
    chosen: bool
    latent: Latent
    frames: np.ndarray | None = None
    decode_seconds: float | None = None
    size: tuple[int, int, int] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """A finished job: its outputs in order of index, and which of them the stop rule chose.

    `sample_seconds` count to the chosen output's latent, from the end of encoding or from when its
    core had let go of the sample before, whichever was later; `peak_memory` is bytes per process:
    on its device (None where that is the host), on the host; `warnings` are what the user has to
    know of it, in sentences; `within` is what the chosen output's distance to core 0's is estimated
    to be at most, None where that cannot be told; `evaluated` is how many evaluations of the model
    a cache let it make, None without a cache; `compile_seconds` is how long torch compiled the
    model before, on the slowest core.
    """

    outputs: tuple[SampledOutput, ...]
    chosen: int
    encode_seconds: float
    sample_seconds: float
    decode_seconds: float
    peak_memory: tuple[tuple[int | None, int], ...]
    warnings: tuple[str, ...] = ()
    within: float | None = None
    evaluated: float | None = None
    compile_seconds: float = 0.0


class Session:
    """Collects a job's outputs and tells the workers when to decode, cancel and finish."""

    def __init__(
        self,
        job: Job,
        stop: StopRule,
        *,
        keep: bool,
        members: int = 1,
        send: Callable[[int, object], None],
        tell: Listener,
        on_output: Callable[[SampledOutput], None] | None,
        warnings: Sequence[str] = (),
        compiles: bool = False,
    ) -> None:
        self._job, self._stop, self._keep = job, stop, keep
        self._send, self._tell, self._on_output = send, tell, on_output
        self._members, self._processes = members, members * job.plan.cores
        self._began = self._encoded = time.monotonic()
        self._landed: dict[int, Landed] = {}
        self._outputs: list[SampledOutput] = []
        self._decoding: set[int] = set()
        self._chosen: int | None = None
        self._finished: dict[tuple[int, int], Finished] = {}
        self._warnings = dict.fromkeys(warnings)
        self._corrections: dict[tuple[int, int], float] = {}
        self._arrived: set[int] = set()
        self._has_begun: dict[int, float] = {}
        self._free = set[int]()
        self._cancelled = self._dropped = False
        self._compiles, self._compiled = compiles, dict[tuple[int, int], float]()

    @property
    def over(self) -> bool:
        """Whether all processes have let go of the job."""
        return self._dropped or len(self._finished) == self._processes

    def begin(self) -> None:
        """Hands the job to its cores; where torch compiles the model for it, that comes first."""
        if self._compiles:
            self._send_to_all(Compile(self._job))
        else:
            self._hand_out(self._job)

    def has_begun(self, core: int) -> None:
        """Takes note that a core has got the job."""
        self._has_begun[core] = time.monotonic()

    def hear(self, message: object) -> None:
        """Takes what a worker has sent; an earlier job leaves nothing that could come late.

        Raises:
            ChordsError: All cores have ended, and an output is missing.
        """
        if isinstance(message, Landed | Decoded | Finished):
            assert message.number == self._job.number, "a word on another job"
        match message:
            case Warned():
                self._warnings[message.text] = None
            case CoreStepped(correction=float() as moved, kept=float() as kept) if kept:
                self._corrections[message.core, message.round] = moved / kept
            case CoreCompiled():
                self._compiled[message.core, message.member] = message.seconds
                if len(self._compiled) == self._processes:
                    self._begin_compiled()
            case CoreEncoded(core=0):
                self._encoded = message.at
            case Landed() if not self._cancelled:
                self._landed[message.index] = message
                while self._wants_more and len(self._outputs) in self._landed:
                    self._land(self._landed[len(self._outputs)])
            case Decoded() if not self._cancelled:
                self._take_frames(message)
            case CoreArrived():
                self._arrived.add(message.core)
                self._check_arrived()
            case Finished():
                self._finished[message.core, message.member] = message

    def _begin_compiled(self) -> None:
        """Hands the job to its cores, of which each has its model compiled, and the prompt."""
        self._dropped = self._cancelled
        if not self._dropped:
            self._began = self._encoded = time.monotonic()
            self._hand_out(replace(self._job, encodes=False))

    def _hand_out(self, job: Job) -> None:
        """Hands out the job, and says which cores are free after it where the plan tells that."""
        self._send_to_all(job)
        if not self._keep and self._stop.fixed is not None:
            self._let_go(but=job.plan.hits[self._stop.fixed].core)

    def _check_arrived(self) -> None:
        """Refuses to wait for an output that no core will send any more."""
        everybody = len(self._arrived) == self._job.plan.cores
        complete = len(self._outputs) == len(self._job.plan.hits)
        if everybody and self._wants_more and not (complete or self._cancelled):
            raise ChordsError(
                f"all {len(self._arrived)} cores have ended, but output {len(self._outputs)} is "
                "missing",
                "run it again with CHORDS_DEBUG=1, and report it with your preset",
            )

    def cancel(self) -> None:
        """Ends the walks of all cores; what they still decode is dropped."""
        self._cancelled = True
        self._send_to_all(Cancel(self._job.number))
        self._let_go()

    @property
    def arrived(self) -> SampledOutput | None:
        """The output that is the result, as soon as its latent is here; decoded or not."""
        return None if self._chosen is None else self._outputs[self._chosen]

    def result(self) -> Sampled:
        """Returns the finished job."""
        assert self._chosen is not None, "the last hit of a plan is accepted by every stop rule"
        chosen = self._outputs[self._chosen]
        finished = [self._finished[process] for process in sorted(self._finished)]
        sampling = max(self._encoded, self._has_begun.get(chosen.core, self._began))
        return Sampled(
            outputs=tuple(self._outputs),
            chosen=self._chosen,
            encode_seconds=finished[0].encode_seconds,
            sample_seconds=chosen.seconds - (sampling - self._began),
            decode_seconds=chosen.decode_seconds or 0.0,
            peak_memory=tuple(done.peak_memory for done in finished),
            warnings=tuple(self._warnings),
            within=estimated_error(self._job.plan, self._chosen, self._corrections),
            evaluated=finished[0].evaluated,
            compile_seconds=max(self._compiled.values(), default=0.0),
        )

    @property
    def _wants_more(self) -> bool:
        return self._keep or self._chosen is None

    def _land(self, landed: Landed) -> None:
        """Takes the next output in order."""
        last, distance = self._job.plan.hits[-1].index, None
        before = self._outputs[-1] if self._outputs else None
        if before and before.round != landed.round:  # two of one round tell nothing
            distance = residual(before.latent, landed.latent)
        output = SampledOutput(
            index=landed.index,
            core=landed.core,
            round=landed.round,
            residual=distance,
            seconds=landed.at - self._began,
            chosen=self._chosen is None and self._stop.accepts(landed.index, distance, last),
            latent=landed.latent,
        )
        if output.chosen:
            self._chosen = output.index
        self._outputs.append(output)
        self._tell(
            OutputLanded(
                core=output.core,
                index=output.index,
                round=output.round,
                residual=output.residual,
                seconds=output.seconds,
            )
        )
        if self._keep or output.chosen:
            self._decoding.add(output.index)
            self._send(output.core * self._members, Decode(self._job.number, output.index))
        if not self._wants_more:
            self._send_to_all(Cancel(self._job.number))
            self._let_go(but=output.core)

    def _take_frames(self, decoded: Decoded) -> None:
        frames, height, width, _ = decoded.frames.shape
        output = replace(
            self._outputs[decoded.index],
            frames=decoded.frames,
            decode_seconds=decoded.seconds,
            size=(frames, height, width),
            warnings=tuple(self._warnings),
        )
        # the frames go to whoever wants them and are not kept: videos are large
        self._outputs[decoded.index] = replace(output, frames=None)
        self._decoding.discard(decoded.index)
        complete = len(self._outputs) == len(self._job.plan.hits)
        if not self._decoding and (complete or not self._wants_more):
            self._let_go()
        if self._on_output:
            self._on_output(output)

    def _let_go(self, *, but: int | None = None) -> None:
        """Ends the job for all cores, or for all but the one that decodes the result."""
        for rank in range(self._processes):
            if rank not in self._free and rank // self._members != but:
                self._free.add(rank)
                self._send(rank, Finish(self._job.number))

    def _send_to_all(self, message: object) -> None:
        for rank in range(self._processes):
            self._send(rank, message)
