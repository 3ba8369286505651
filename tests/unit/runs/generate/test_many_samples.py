"""Folders of many samples: no sample costs more than the one before, whatever is done there.

What is counted is work, in calls of functions and in bytes, because seconds depend on the machine.
"""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from chords_cli.engine.messages import Latent
from chords_cli.engine.pool import Sampled, SampledOutput
from chords_cli.media import files
from chords_cli.runs.generate import run
from chords_cli.runs.generate.record import JOURNAL, RECORD, run_record, sample_record, write_record
from chords_cli.runs.generate.resume import Earlier, look_back
from chords_cli.runs.outputs.saving import OutputSaver
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings
from chords_cli.ui.views.summary import paths, summary

FEW, MANY = 15, 60
NEARLY_LINEAR = MANY / FEW * 1.1

Resolve = Callable[..., Settings]


def calls(function: Callable[[], object]) -> int:
    """Counts the calls of functions, of Python and of C, that a function makes."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def made(settings: Settings, samples: Iterable[PlannedSample]) -> list:
    """Writes the pictures of samples that nobody computed; returns their records."""
    settings.output.mkdir(exist_ok=True)
    output = SampledOutput(
        index=1,
        core=1,
        round=3,
        residual=None,
        seconds=0.1,
        chosen=True,
        latent=Latent("float32", (1,), b"\0" * 4),
        frames=np.zeros((1, 8, 8, 3), np.uint8),
    )
    records = []
    for sample in samples:
        saver = OutputSaver(settings, sample, lambda event: None, replace=True)
        saver.save(output)
        sampled = Sampled(
            outputs=(output, output),
            chosen=1,
            encode_seconds=0.1,
            sample_seconds=0.2,
            decode_seconds=0.3,
            peak_memory=((None, 1),),
        )
        records.append(sample_record(sample, sampled, saver.files, 0.6))
    return records


@pytest.fixture
def folder(resolved: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the settings of a run of so many samples, all of which but one are in its folder."""
    monkeypatch.setattr(files.os, "fsync", lambda number: None)

    def make(count: int) -> Settings:
        output = tmp_path / str(count)
        settings = resolved(output=output, prompts=("a cat",), num=count, cores=2, resume=True)
        records = made(settings, settings.samples[:-1])
        write_record(output, run_record(settings, records))
        return settings

    return make


@pytest.mark.parametrize("record", [RECORD, "lost"])
def test_going_on_costs_no_more_for_each_sample_that_is_there(folder, record: str) -> None:
    costs = []
    for count in (FEW, MANY):
        settings = folder(count)
        (settings.output / RECORD).rename(settings.output / record)
        assert len(look_back(settings).done) == count - 1
        costs.append(calls(lambda settings=settings: look_back(settings)))
    assert costs[1] < NEARLY_LINEAR * costs[0]


def test_listing_costs_no_more_for_each_sample(folder) -> None:
    costs = []
    for count in (FEW, MANY):
        settings = folder(count)
        record = look_back(settings).record
        costs.append(calls(lambda record=record: (paths(record), summary(record))))
    assert costs[1] < NEARLY_LINEAR * costs[0]


def test_making_a_picture_again_does_not_look_at_the_others(
    folder, preset_file: Path, tmp_path: Path
) -> None:
    costs, again = [], {"model": str(preset_file), "output": tmp_path / "again"}
    for count in (FEW, MANY):
        settings = folder(count)
        picture = settings.output / settings.samples[0].name("png")
        request = Request(kind="image", from_metadata=picture, **again)
        resolve(request)
        costs.append(calls(lambda request=request: resolve(request)))
    assert costs[1] < 1.1 * costs[0]


def test_every_sample_writes_as_many_bytes_as_the_one_before(
    resolved: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of records: the whole record at the beginning and at the end, and a line of the journal."""
    written, inner = list[int](), files._write_through

    def through(path: Path, data: bytes) -> None:
        written.append(len(data))
        inner(path, data)

    monkeypatch.setattr(files, "_write_through", through)
    monkeypatch.setattr(files.os, "fsync", lambda number: None)
    costs = []
    for count in (FEW, MANY):
        settings = resolved(output=tmp_path / str(count), prompts=("a cat",), num=count, cores=2)
        records = made(settings, settings.samples)
        prepared = run.Prepared(Request(kind="image"), settings, Earlier(), 0.0)
        going_on = run._Run(prepared, lambda event: None)
        written.clear()
        for sample, record in zip(settings.samples, records, strict=True):
            going_on._note(sample, record)
        lines = (settings.output / JOURNAL).stat().st_size
        going_on._write_record()
        assert len(written) == 2
        costs.append(sum(written) + lines)
    assert costs[1] < NEARLY_LINEAR * costs[0]


def test_a_finished_sample_takes_little_memory_while_the_run_goes_on(
    resolved: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "fsync", lambda number: None)
    settings = resolved(output=tmp_path / "out", prompts=("a cat",), num=MANY, cores=2)
    prepared = run.Prepared(Request(kind="image"), settings, Earlier(), 0.0)
    going_on = run._Run(prepared, lambda event: None)
    first, *samples = settings.samples
    going_on._note(first, made(settings, [first])[0])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for sample in samples:
            going_on._note(sample, made(settings, [sample])[0])
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2000 * len(samples)
