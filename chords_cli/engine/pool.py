"""The pool: K workers that outlive a prompt.

The pool is no master: what cores compute and when is in the plan. It hands out jobs, collects
outputs, asks for pictures, and leaves no process behind.
"""

import sys
import threading
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from chords_cli.engine.devices import threads_each
from chords_cli.engine.hosts.remote import Hosts
from chords_cli.engine.messages import Decoded, Latent, Restore
from chords_cli.engine.processes import Workers
from chords_cli.engine.samples.groups import Group, Wanted
from chords_cli.engine.samples.job import Sampled, SampledOutput, Session
from chords_cli.engine.samples.many import Many
from chords_cli.engine.samples.output_thread import OutputThread
from chords_cli.engine.settings import PoolSettings
from chords_cli.engine.start import StartMethod
from chords_cli.errors import ChordsError
from chords_cli.events import CoreReady, Event, Listener, ProcessesStarted, Warned
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import numpy as np

__all__ = ["Pool", "PoolSettings", "Sampled", "SampledOutput", "Wanted"]


class Pool:
    """K workers; a context manager that is entered when all of them have loaded the model.

    With several `hosts`, the workers are spread over them.
    """

    def __init__(
        self, settings: PoolSettings, listener: Listener, hosts: Hosts | None = None
    ) -> None:
        self._settings, self._tell = settings, listener
        self._workers = Workers(hosts)
        self._start_method: StartMethod | None = None
        self._groups = [
            Group(number, settings, self._workers, lambda event: self._tell(event))
            for number in range(settings.groups)
        ]
        self._each = max(1, len(settings.devices) // settings.groups)
        self._components: dict[int, tuple[str, ...]] = {}
        self._warned = dict[str, None]()
        self._loading_warnings: tuple[str, ...] = ()
        self._open: Session | None = None
        self._many: Many | None = None
        self._hearing = threading.Lock()
        self._scheduler, self._cache = settings.model.scheduler, settings.model.cache

    def __enter__(self) -> "Pool":
        """Starts the workers and waits until they are ready.

        Raises:
            ChordsError: A core could not load or died; all others have been ended.
        """
        try:
            method = self._start_method = self._workers.start(self._settings)
            self._tell(ProcessesStarted(method=method.method, reason=method.reason))
            for process, message in self._messages():
                if isinstance(message, CoreReady) and process is not None:
                    self._components[process] = message.components
                if len(self._components) == len(self._workers):
                    break
            self._loading_warnings = tuple(self._warned)
        except BaseException:
            self._workers.end(at_once=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._workers.end(at_once=kind is not None)

    @property
    def components(self) -> tuple[tuple[str, ...], ...]:
        """Per process the names of the components that it loaded with weights."""
        return tuple(self._components[process] for process in sorted(self._components))

    @property
    def start_method(self) -> StartMethod:
        """How the workers started."""
        assert self._start_method is not None, "a pool that was entered has started"
        return self._start_method

    def follow(self, scheduler: Arguments | None, cache: Arguments | None) -> None:
        """Makes the next samples with that scheduler and cache of the model (see `ModelSpec`)."""
        self._scheduler, self._cache = scheduler, cache

    def sample(
        self,
        plan: Plan,
        call: Arguments,
        seed: int,
        stop: StopRule,
        *,
        keep: bool = False,
        again: bool = False,
        on_output: Callable[[SampledOutput], None] | None = None,
    ) -> Sampled:
        """Runs one sample to the output that `stop` chooses and decodes it.

        A plan may have fewer cores than the pool: its last ones stay idle. Samples of the same
        call encode their prompt once, unless they encode it `again`.

        With `keep` the run goes on to the last of the plan's hits and every output is decoded.
        `on_output` gets every decoded output as soon as there is one, on this thread; the result
        keeps latents but no frames.

        Raises:
            ChordsError: A core failed or died; the pool has to be left.
        """
        wanted = Wanted(
            plan=plan, call=call, seed=seed, stop=stop, keep=keep, again=again, on_output=on_output
        )
        with self._alone():
            session = self._begin(wanted)
            self._open = session  # if this is interrupted, the next sample ends it
            for _ in self._heard(session):
                pass
            self._open = None
        return session.result()

    def each(self, wanted: Iterable[Wanted]) -> Generator[tuple[int, Sampled], None, None]:
        """Makes samples with all groups; yields each when its cores and `on_output` are done.

        A number says which of the `wanted` it is, from 0. Samples begin in order, the next one of
        a group while its last cores decode the one before. Leaving this early waits for an
        `on_output` that is at work.

        Raises:
            ChordsError: A core failed or died; the pool has to be left.
            Exception: What an `on_output` has raised.
        """
        with self._alone(), OutputThread() as outputs:
            many = self._many = Many(self._groups, iter(wanted), self._begin, outputs)
            many.fill()
            for process, message in self._messages(outputs.bell) if many.busy else ():
                self._hear(process, message)
                yield from many.done()
                many.fill()
                if not many.busy:
                    return

    def outputs(
        self, plan: Plan, call: Arguments, seed: int, stop: StopRule
    ) -> Iterator[SampledOutput]:
        """Runs one sample to the last of the plan's hits and yields its decoded outputs in order.

        A caller that stops asking cancels what is left of the sample.

        Raises:
            ChordsError: A core failed or died; the pool has to be left.
        """
        ready: dict[int, SampledOutput] = {}
        with self._alone():
            wanted = Wanted(
                plan=plan,
                call=call,
                seed=seed,
                stop=stop,
                keep=True,
                on_output=lambda output: ready.update({output.index: output}),
            )
            session = self._open = self._begin(wanted)
        heard, index = self._heard(session), 0
        try:
            while self._finds(session, heard, ready, index):
                yield ready.pop(index)
                index += 1
        except GeneratorExit:
            if self._open is session and not sys.is_finalizing():  # else it has ended, or does now
                with self._alone():
                    self._abandon(session)
            raise

    def restore(
        self, call: Arguments, seed: int, steps: int, latent: Latent
    ) -> tuple["np.ndarray", float]:
        """Decodes a latent that an earlier run has kept; returns its frames and the seconds.

        Args:
            call: The pipeline's call that made it, prompt included.
            seed: Of the noise that it was made from.
            steps: Of the grid.
            latent: What the pipeline's loop ended with.

        Raises:
            ChordsError: The core failed or died; the pool has to be left.
        """
        wanted = Restore(
            number=0,
            call=call,
            seed=seed,
            steps=steps,
            latent=latent,
            threads=threads_each(1),
        )
        self._workers.send(0, wanted)
        answers = (message for _, message in self._messages() if isinstance(message, Decoded))
        decoded = next(answers)
        return decoded.frames, decoded.seconds

    def arrived(self, number: int) -> SampledOutput | None:
        """Returns the result of that one of `each` sample, if its latent is here.

        It is for when decoding or saving fails.
        """
        return self._many.arrived(number) if self._many else None

    def _begin(self, wanted: Wanted, group: int = 0) -> Session:
        """Hands a sample to a group, once nothing is left of an earlier one that was cut off."""
        if self._open is not None:
            self._abandon(self._open)
        return self._groups[group].begin(
            wanted,
            scheduler=self._scheduler,
            cache=self._cache,
            warnings=self._loading_warnings,
        )

    def _heard(self, session: Session) -> Iterator[None]:
        """Lets the session hear one message after another, until its cores have let go of it."""
        for process, message in self._messages():
            self._hear(process, message)
            yield
            if session.over:
                return

    def _finds(
        self, session: Session, heard: Iterator[None], ready: Container[int], index: int
    ) -> bool:
        """Hears messages until an output is ready; tells whether there is one more."""
        with self._alone():
            if self._open is not session:
                raise ChordsError(
                    "another sample has begun before all outputs of this one were taken",
                    "take all outputs of a sample before the next begins",
                )
            # cores decode side by side, so it may have been ready before the one before it
            return index in ready or any(index in ready for _ in heard)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other threads from hearing and sending; nobody waits, as a sample takes long."""
        if not self._hearing.acquire(blocking=False):
            raise ChordsError(
                "another thread makes a sample with these cores",
                "make one sample after the other, or start cores in every thread",
            )
        try:
            yield
        finally:
            self._hearing.release()

    def _abandon(self, session: Session) -> None:
        """Ends a job of which nobody wants the outputs any more."""
        if self._open is session:
            self._open = None
        if not session.over:
            session.cancel()
            for _ in self._heard(session):
                pass

    def _hear(self, process: int | None, message: object) -> None:
        """Lets the group of a process hear what it has sent."""
        if process is not None:
            group, rank = divmod(process, self._each)
            self._groups[group].hear(rank, message)

    def _messages(self, bell: "Connection | None" = None) -> Iterator[tuple[int | None, object]]:
        """Yields what processes send, with their numbers; tells events to the listener."""
        for process, message in self._workers.messages(bell):
            if process is not None and isinstance(message, Event) and self._is_new(message):
                self._groups[process // self._each].tell(message)
            yield process, message

    def _is_new(self, event: Event) -> bool:
        """Tells whether no core has warned of the same before, for this sample or another."""
        if isinstance(event, Warned):
            if event.text in self._warned:
                return False
            self._warned[event.text] = None
        return True
