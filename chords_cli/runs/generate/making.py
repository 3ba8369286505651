"""One sample of a run while it is made: what is asked of the pool, its files and its record."""

import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.errors import ChordsError
from chords_cli.events import Event, Listener, PromptDone, PromptStarted
from chords_cli.records.run import SampleRecord
from chords_cli.runs.generate.record import sample_record, with_own
from chords_cli.runs.outputs.saving import OutputSaver, keep_latent
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings

if TYPE_CHECKING:
    from chords_cli.engine.pool import Sampled, SampledOutput, Wanted


class Making:
    """A sample that is being made, by one of the pool's groups.

    Attributes:
        sample: What is made.
    """

    def __init__(
        self, sample: PlannedSample, settings: Settings, total: int, tell: Listener
    ) -> None:
        self.sample, self._settings, self._total, self._tell = sample, settings, total, tell
        replace = settings.overwrite or settings.resume
        self._saved = deque[Event]()
        self._saver = OutputSaver(settings, sample, self._saved.append, replace=replace)
        self._began = 0.0

    @property
    def saved(self) -> bool:
        """Whether all of its files are there, even if its cores have not let go of it."""
        outputs = len(self._settings.plan.hits) if self._settings.all_cores else 1
        return len(self._saver.files) >= outputs

    def wanted(self) -> "Wanted":
        """Returns what to ask of the pool."""
        from chords_cli.engine.pool import Wanted

        settings = self._settings
        return Wanted(
            plan=settings.plan,
            call=settings.arguments | {"prompt": self.sample.prompt},
            seed=self.sample.seed,
            stop=settings.stop,
            keep=settings.all_cores,
            on_output=self._saver.save,
            on_handed=lambda: self._tell(self._saved.popleft()),
            on_begin=self._begin,
        )

    def record(self, sampled: "Sampled") -> SampleRecord:
        """Returns the record of the finished sample."""
        seconds = time.monotonic() - self._began
        record = sample_record(self.sample, sampled, self._saver.files, seconds)
        return with_own(record, self._settings, self.sample)

    def tell_done(self, record: SampleRecord) -> None:
        """Tells that the sample is done, once that is noted."""
        path, seconds = self._settings.output / record.output, record.seconds.total
        self._tell(PromptDone(number=self.sample.number, path=str(path), seconds=seconds))

    def keep_latent(self, output: "SampledOutput | None") -> Path | None:
        """Keeps the result's latent if it is here and could not be decoded or written."""
        if output is None or output.index in self._saver.files:
            return None
        with suppress(ChordsError, OSError):
            return keep_latent(self._settings, self.sample, output)
        return None

    def _begin(self, group: int) -> None:
        began = PromptStarted(
            number=self.sample.number,
            total=self._total,
            prompt=self.sample.prompt,
            seed=self.sample.seed,
            group=group,
            steps=self._settings.plan.steps,
        )
        self._began = began.at
        self._tell(began)
