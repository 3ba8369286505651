"""Turns prompts into pictures: resolves, starts the cores once, writes every file when it is ready.

An interrupted run keeps its finished files and says how to continue.
"""

import json
import shlex
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.errors import ChordsError
from chords_cli.events import (
    CoreStarted,
    Event,
    Listener,
    PromptSkipped,
    RunResolved,
)
from chords_cli.media.files import new_folder
from chords_cli.models.denoisers.caches import cache_arguments
from chords_cli.models.elsewhere.sources import adapter_files, parts_elsewhere
from chords_cli.models.fit import find_denoisers
from chords_cli.models.loras import lora_files
from chords_cli.presets.call import STEPS
from chords_cli.records.run import RunRecord, RunSeconds, SampleRecord, StartMethod
from chords_cli.runs.generate.kept import telling_what_is_kept
from chords_cli.runs.generate.making import Making
from chords_cli.runs.generate.record import (
    JOURNAL,
    RECORD,
    append_to_journal,
    run_record,
    write_record,
)
from chords_cli.runs.generate.resume import (
    Earlier,
    earlier_settings,
    fill_from_record,
    look_back,
)
from chords_cli.runs.settings.layouts.capacity import fitting_folder
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.output_folder import check_free, check_writable
from chords_cli.runs.settings.resolve import check_again, resolve
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings

if TYPE_CHECKING:
    from chords_cli.engine.hosts.remote import Hosts
    from chords_cli.engine.pool import Pool, PoolSettings


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is checked as far as possible before its model is fetched.

    `began` is the time from which its seconds are counted, on the monotonic clock; `hosts` are all
    that work on it, if there are several.
    """

    request: Request
    settings: Settings
    earlier: Earlier
    began: float
    hosts: "Hosts | None" = None


def prepare(request: Request, *, starts: bool = False, hosts: "Hosts | None" = None) -> Prepared:
    """Resolves and checks what the request asks for; for `starts` see `settings.resolve`.

    Args:
        request: What the user asks for.
        starts: Whether to start importing what workers need.
        hosts: All hosts, if several work on it.

    Raises:
        UsageError: The request is impossible; nothing was started or written.
    """
    began = time.monotonic()
    if request.resume:
        request = fill_from_record(request)
    elif request.output is not None and not request.overwrite:
        check_free(request.output, [RECORD, JOURNAL], resumable=True)  # before anything is imported
    if request.output is not None:
        check_writable(request.output)
    if hosts:
        request = replace(request, hosts=hosts.devices)
    settings = resolve(request, starts=starts, earlier=earlier_settings(request))
    return Prepared(request, settings, look_back(settings), began, hosts)


def generate(prepared: Prepared, listener: Listener) -> RunRecord:
    """Makes what was asked for and returns the record, which is also in the folder.

    The result of sample n is `record.prompts[n].output` in the folder `record.settings.output`.

    Raises:
        UsageError: The model is not on this machine, or does not fit; nothing was written.
        ChordsError: The run failed; complete files stay.
        Interrupted: The run was interrupted; says what is kept and how to continue.
    """
    request, settings = prepared.request, prepared.settings
    run = _Run(prepared, listener)
    folder = fitting_folder(settings.demand)
    check_again(settings)  # the model may have been fetched since
    with telling_what_is_kept(request, settings, lambda: run.done), new_folder(settings.output):
        return run.run(folder)


class _Run:
    """A run while it goes on: what is done, how long it took, and who listens."""

    def __init__(self, prepared: Prepared, listener: Listener) -> None:
        self._settings, self._listener = prepared.settings, listener
        self._model, self._hosts = prepared.request.model, prepared.hosts
        self._earlier = earlier = prepared.earlier
        self._samples = prepared.settings.samples
        self._done: dict[int, SampleRecord] = dict(earlier.done)
        self._made: dict[int, str] = {}  # as JSON, a tenth as large; by number
        self._noted = self._journalled = False
        self._saved: set[int] = set()  # and not noted, by number
        self._began = self._started = prepared.began
        self._loaded: float | None = None
        record = earlier.record
        self._components = record.components if record else ()
        self._start_method = record.start_method if record else None

    @property
    def done(self) -> int:
        """How many samples are done, those of earlier runs included."""
        return len(self._done.keys() | self._made.keys() | self._saved)

    def run(self, folder: Path) -> RunRecord:
        """Makes every sample that is not done and returns the record."""
        settings, samples = self._settings, self._samples
        self._tell(
            RunResolved(
                model=settings.preset.title,
                plan=settings.plan,
                stop=settings.stop,
                devices=settings.devices,
                members=settings.members,
                groups=settings.groups,
                output=str(settings.output),
                note=settings.note,
            )
        )
        for sample in samples:
            if sample.number in self._done:
                path = settings.output / self._done[sample.number].output
                self._tell(PromptSkipped(number=sample.number, path=str(path)))
        left = [sample for sample in samples if sample.number not in self._done]
        try:
            if left:
                self._make(left, folder)
        except BaseException:
            if self._journalled:
                with suppress(ChordsError):  # the journal stays and holds the same
                    self._write_record()
            raise
        return self._write_record()

    def _make(self, left: list[PlannedSample], folder: Path) -> None:
        from chords_cli.engine.pool import Pool

        start = pool_settings(self._settings, folder)
        with Pool(start, self._tell, self._hosts) as pool:
            self._loaded = time.monotonic()
            self._components = pool.components
            self._start_method = StartMethod(**asdict(pool.start_method))
            total, making = len(self._samples), dict[int, Making]()
            wanted = (
                making.setdefault(
                    number, Making(sample, self._settings.of(sample), total, self._tell)
                ).wanted()
                for number, sample in enumerate(left)
            )
            try:
                with closing(pool.each(wanted)) as samples:
                    for number, sampled in samples:
                        one = making[number]
                        record = one.record(sampled)
                        self._note(one.sample, record)
                        del making[number]
                        one.tell_done(record)
            except BaseException as error:
                self._saved = {one.sample.number for one in making.values() if one.saved}
                told = self._keep_latents(making, pool, error)
                if told is error:
                    raise
                raise told from error

    def _note(self, sample: PlannedSample, record: SampleRecord) -> None:
        """Notes that a sample is done, so that it is not lost if the run is cut off."""
        first, self._noted = not self._noted, True
        self._made[sample.number] = json.dumps(record.document())
        if first:
            self._write_record()
        else:
            append_to_journal(self._settings.output, record)
            self._journalled = True

    def _write_record(self) -> RunRecord:
        made = {n: SampleRecord.model_validate_json(line) for n, line in self._made.items()}
        samples = [record for _, record in sorted((self._done | made).items())]
        record = run_record(
            self._settings,
            [*self._earlier.others, *samples],
            components=self._components,
            start_method=self._start_method,
            seconds=self._seconds(),
        )
        write_record(self._settings.output, record)
        return record

    def _seconds(self) -> RunSeconds:
        loaded = self._started if self._loaded is None else self._loaded
        return RunSeconds(
            start=round(self._started - self._began, 4),
            load=round(loaded - self._started, 4),
            total=round(time.monotonic() - self._began, 4),
        )

    def _keep_latents(
        self, making: dict[int, Making], pool: "Pool", error: BaseException
    ) -> BaseException:
        """Keeps the latents of samples that could not be decoded or written; says so in `error`."""
        tried = (one.keep_latent(pool.arrived(number)) for number, one in making.items())
        paths = [path for path in tried if path]
        if not paths or not isinstance(error, ChordsError):
            return error
        preset, model = self._settings.preset, self._model
        words = ["chords", preset.kind, "--from-latent", str(paths[0])]
        words += [] if model in (None, preset.name) else ["--model", model]  # a file's
        command = shlex.join(words)
        kept = "its latent is kept:" if len(paths) == 1 else f"{len(paths)} latents are kept, as in"
        return error.reworded("{message}", f"{{hint}}; {kept} {command}")

    def _tell(self, event: Event) -> None:
        if isinstance(event, CoreStarted):
            self._started = max(self._started, event.at)
        self._listener(event)


def pool_settings(settings: Settings, folder: Path) -> "PoolSettings":
    """Returns the settings with which a pool starts, for weights in `folder`."""
    from chords_cli.engine.pool import PoolSettings
    from chords_cli.pipelines.load.spec import ModelSpec

    preset = settings.preset
    scheduler = preset.scheduler.model_dump(by_alias=True) if preset.scheduler else None
    model = ModelSpec(
        folder=str(folder),
        pipeline=preset.pipeline,
        dtype=settings.dtype,
        variant=preset.variant,
        scheduler=scheduler,
        components={name: part.loaded for name, part in preset.components.items()},
        quantization=preset.quantization.model_dump() if preset.quantization else None,
        compile=preset.compile,
        attention=preset.attention,
        cache=cache_arguments(preset, settings.call | {STEPS: settings.plan.steps}),
        sees=settings.sees,
        loras=tuple(
            (file, scale)
            for source, scale in settings.loras
            for file in lora_files(source, find_denoisers(preset))
        ),
        parts=parts_elsewhere(preset),
        adapters=adapter_files(preset),
    )
    return PoolSettings(
        model=model,
        devices=settings.devices,
        decoders=settings.decoders,
        timeout=settings.timeout,
        members=settings.members,
        groups=settings.groups,
        contexts=settings.context,
    )
