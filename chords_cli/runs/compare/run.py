"""Compares several ways to make one picture: is it faster, and is it the same picture?"""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import chords_cli
from chords_cli.engine.logs import temporary_folder
from chords_cli.errors import UsageError
from chords_cli.events import Event, Listener, ProcessesStarted, Warned
from chords_cli.hub import find_snapshot
from chords_cli.media.files import new_folder
from chords_cli.models.weights import missing_weights
from chords_cli.records.compare import (
    SCHEMA,
    ArmSettings,
    CompareDryRun,
    CompareHead,
    CompareRecord,
    PlannedArmRecord,
)
from chords_cli.records.run import StartMethod
from chords_cli.runs.compare.answer import answer
from chords_cli.runs.compare.captions import captions, notes, title
from chords_cli.runs.compare.comparison import (
    FILM,
    PAGE,
    RECORD,
    SHEET,
    Comparison,
    resolve_comparison,
)
from chords_cli.runs.compare.gallery import SHOWN, Gallery
from chords_cli.runs.compare.measure import Shared, measure, shared_loads
from chords_cli.runs.compare.request import CompareRequest
from chords_cli.runs.compare.resolving import Arm
from chords_cli.runs.compare.results import Results
from chords_cli.runs.generate.record import plan_record
from chords_cli.runs.outputs.recipe import environment, input_records, pixels
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.run_options import RunOptions
from chords_cli.runs.settings.resolve import check_again

Render = Callable[[CompareRecord, Mapping[str, bytes]], str]
"""Makes the page from the record and from the files that it shows (`Gallery.assets`)."""

CLIP = "openai/clip-vit-large-patch14"
_CLIP_FILES = ("config.json", "model.safetensors", "preprocessor_config.json")

_OPTIONS = options_of(RunOptions).keys() & CompareHead.model_fields.keys()
"""The options that are in the record outside of its arms."""


def compare(comparison: Comparison, listener: Listener, render: Render) -> CompareRecord:
    """Runs all arms and returns the record, which is also in the folder, beside sheet and page.

    Raises:
        UsageError: A model is not on this machine, or does not fit; nothing was written.
        ChordsError: The run failed; complete files stay.
    """
    began = time.monotonic()
    clip = find_clip() if comparison.request.clip_score else None
    loads = shared_loads(comparison)
    for arm in comparison.arms:  # again: a model may have been fetched since
        check_again(arm.settings)
    with (
        new_folder(comparison.output),
        tempfile.TemporaryDirectory(prefix="spool-", dir=temporary_folder()) as spool,
    ):
        gallery = Gallery(comparison, Path(spool))
        results = Results(comparison, gallery)
        heard = _Heard(listener)
        with closing(measure(comparison, loads, heard, gallery.keep)) as runs:
            for measured in runs:
                results.add(measured)
        if clip is not None:
            results.judge(clip)
        record = _record(comparison, loads, results, heard, began)
        _write(comparison, gallery, record, render)
    return record


def dry_run(request: CompareRequest) -> CompareDryRun:
    """Returns what a comparison would do, and the files that it would make.

    Nothing is loaded, started or written.

    Raises:
        UsageError: The request is impossible.
    """
    comparison = resolve_comparison(request)
    missing = [missing_weights(arm.settings.preset) for arm in comparison.arms]
    return CompareDryRun(
        **dict(_head(comparison)),
        dry_run=True,
        missing=tuple(dict.fromkeys(filter(None, missing))),
        arms=tuple(map(_plan_record, comparison.arms)),
        files=tuple(str(comparison.output / name) for name in comparison.files),
    )


def find_clip() -> Path:
    """Finds the folder of the CLIP model in the hub's cache.

    Raises:
        UsageError: The model is not complete on this machine.
    """
    folder = find_snapshot(CLIP, None).folder
    if folder is None or not all((folder / name).is_file() for name in _CLIP_FILES):
        raise UsageError(
            f"{{clip_score:name}} needs {CLIP}, which is not on this machine",
            f"fetch it first: hf download {CLIP}; or leave out {{clip_score:name}}",
            {"clip_score": True},
        )
    return folder


class _Heard:
    """A listener that notes what the record needs, and hands every warning on once.

    Attributes:
        starts: How the processes of each load started.
        warnings: What was warned of, whichever load it was.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.starts: list[StartMethod] = []
        self.warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, ProcessesStarted):
            self.starts.append(StartMethod(method=event.method, reason=event.reason))
        if isinstance(event, Warned):
            if event.text in self.warnings:
                return
            self.warnings.append(event.text)
        self._listener(event)


def _write(comparison: Comparison, gallery: Gallery, record: CompareRecord, render: Render) -> None:
    """Writes sheet, film and page, and the record when everything else is complete."""
    shown = [captions(record, sample) for sample in record.samples[:SHOWN]]
    gallery.write(SHEET, gallery.sheet(shown, title(record)))
    if comparison.kind == "video":
        gallery.write(FILM, gallery.film(shown[0], title(record)))
    gallery.write(PAGE, render(record, gallery.assets()).encode())
    text = json.dumps(record.document(), indent=2, ensure_ascii=False, allow_nan=False)
    gallery.write(RECORD, f"{text}\n".encode())


def _record(
    comparison: Comparison,
    loads: Sequence[Shared],
    results: Results,
    heard: _Heard,
    began: float,
) -> CompareRecord:
    arms = tuple(results.arm(arm, _plan_record(arm)) for arm in comparison.arms)
    record = CompareRecord(
        **dict(_head(comparison)),
        arms=arms,
        samples=tuple(map(results.sample, comparison.samples)),
        loads=tuple(tuple(arm.name for arm in load.arms) for load in loads),
        shares_devices=any(arm.shares_devices for arm in arms),
        notes=(),
        warnings=tuple(map(results.of_arms, heard.warnings)),
        start_methods=tuple(heard.starts),
        seconds=round(time.monotonic() - began, 4),
    )
    return record.model_copy(update={"notes": tuple(notes(record)), "answer": answer(record)})


def _head(comparison: Comparison) -> CompareHead:
    settings = comparison.reference.settings
    preset = settings.preset
    options = {name: getattr(settings, name) for name in _OPTIONS}
    return CompareHead(
        schema=SCHEMA,
        command="compare",
        version=chords_cli.__version__,
        kind=preset.kind,
        preset=preset.name,
        title=preset.title,
        license=preset.license.name,
        again=comparison.again,
        reference=comparison.reference.name,
        repeat=comparison.request.repeat,
        inputs=input_records(settings),
        environment=environment(),
        left_out=comparison.left_out,
        **options | {"output": str(comparison.output)},
    )


def _plan_record(arm: Arm) -> PlannedArmRecord:
    """Returns the record of an arm before it runs."""
    settings = arm.settings
    preset, own = settings.preset, pixels(settings)
    return PlannedArmRecord(
        name=arm.name,
        number=arm.number,
        preset=preset.name,
        repo=preset.repo,
        path=None if preset.path is None else str(preset.path),
        revision=preset.revision,
        model=own.model,
        algo=own.algo,
        cores=own.cores,
        devices=settings.devices,
        note=settings.note,
        dtype=own.dtype,
        plan=plan_record(settings),
        stop=own.stop,
        settings=ArmSettings(
            loras=own.loras,
            device=own.device,
            call=own.call,
            guidance_split=own.guidance_split,
            context=own.context,
        ),
    )
