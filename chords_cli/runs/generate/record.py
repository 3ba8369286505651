"""Writes the record of a run, `run.json`, and a journal beside it while the run goes on.

The record is written after the first sample and at the end. Every sample in between adds a line to
the journal (`run.jsonl`), so that no sample costs more than the one before, and no finished sample
is lost if the process is killed.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chords_cli
from chords_cli.errors import ChordsError, verbatim, where_to_write
from chords_cli.media.files import append_to_file, write_file
from chords_cli.presets.paths import read_at_most
from chords_cli.records.recipe import SCHEMA
from chords_cli.records.run import (
    OutputRecord,
    OwnRecord,
    PlanRecord,
    RunRecord,
    RunSeconds,
    SampleRecord,
    SampleSeconds,
    SettingsRecord,
    StartMethod,
)
from chords_cli.runs.outputs.recipe import environment, pixels, stop_record, which_output
from chords_cli.runs.outputs.saving import Saved
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.run_options import RunOptions
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings

if TYPE_CHECKING:
    from chords_cli.engine.pool import Sampled

RECORD, JOURNAL = "run.json", "run.jsonl"

_DIGITS = 4

_MOST_BYTES = 10**9
"""How large a record may be: one of 100,000 samples has a tenth of it."""


def run_record(
    settings: Settings,
    samples: Sequence[SampleRecord],
    *,
    components: Sequence[Sequence[str]] = (),
    start_method: StartMethod | None = None,
    seconds: RunSeconds | None = None,
) -> RunRecord:
    """Returns the record of a run.

    Args:
        settings: The settings of the run.
        samples: The records of its samples, in order.
        components: Per core the names of the components that it loaded.
        start_method: How the processes started.
        seconds: None before the run.
    """
    preset = settings.preset
    return RunRecord(
        schema=SCHEMA,
        command=preset.kind,
        version=chords_cli.__version__,
        preset=preset.name,
        repo=preset.repo,
        path=None if preset.path is None else str(preset.path),
        revision=preset.revision,
        algo=settings.plan.algo,
        cores=settings.plan.cores,
        plan=plan_record(settings),
        stop=stop_record(settings),
        devices=settings.devices,
        **({"groups": settings.groups} if settings.groups > 1 else {}),
        note=settings.note,
        start_method=start_method,
        dtype=settings.dtype,
        settings=_settings_record(settings),
        components=tuple(map(tuple, components)),
        prompts=tuple(samples),
        warnings=tuple(dict.fromkeys(w for s in samples for w in s.warnings)),
        seconds=seconds or RunSeconds(),
        environment=environment(),
    )


def plan_record(settings: Settings) -> PlanRecord:
    """Returns the plan in numbers."""
    plan = settings.plan
    index = settings.stop.latest(plan)
    pace: Any = {"planned_rounds": plan.planned_rounds, "guidance": plan.guidance}
    if plan.planned_rounds is None:
        pace = {}
    return PlanRecord(
        steps=plan.steps,
        init_t=plan.init_t or (),
        **pace,
        rounds=plan.rounds(index),
        speedup=round(plan.speedup(index), 2),
        nfe_total=plan.nfe_total(index),
        nfe_run=plan.nfe_run(index),
    )


def sample_record(
    sample: PlannedSample, sampled: "Sampled", files: dict[int, Saved], total: float
) -> SampleRecord:
    """Returns the record of a finished sample; `files` has the index of the output as its key."""
    path = files[sampled.chosen].path
    assert path is not None, "the result is kept"
    outputs = (
        OutputRecord(
            **which_output(output).model_dump(exclude_unset=True),
            seconds=round(output.seconds, _DIGITS),
            **asdict(files.get(output.index, Saved())),
        )
        for output in sampled.outputs
    )
    return SampleRecord(
        prompt=sample.prompt,
        seed=sample.seed,
        output=path,
        rounds=sampled.outputs[sampled.chosen].round,
        outputs=tuple(outputs),
        seconds=seconds_record(sampled, total),
        peak_memory=sampled.peak_memory,
        warnings=sampled.warnings,
        within=None if sampled.within is None else float(f"{sampled.within:.2g}"),
        evaluated=sampled.evaluated,
    )


def with_own(record: SampleRecord, settings: Settings, sample: PlannedSample) -> SampleRecord:
    """Returns the record with those settings that the sample's line in a prompt file has alone.

    Args:
        record: Of the sample.
        settings: Those of the sample.
        sample: What is made.
    """
    if sample.line is None:
        return record
    made = pixels(settings)
    own = OwnRecord(**{name: getattr(made, name) for name in OwnRecord.model_fields})
    return record.model_copy(update={"own": own})


def seconds_record(sampled: "Sampled", total: float) -> SampleSeconds:
    """Returns the seconds of a sample, split into phases."""
    compiled = sampled.compile_seconds
    return SampleSeconds(
        encode=round(sampled.encode_seconds, _DIGITS),
        **({"compile": round(compiled, _DIGITS)} if compiled else {}),
        sample=round(sampled.sample_seconds, _DIGITS),
        decode=round(sampled.decode_seconds, _DIGITS),
        total=round(total, _DIGITS),
    )


def write_record(folder: Path, record: RunRecord) -> None:
    """Replaces an earlier record, completely or not at all; then removes the journal."""
    text = json.dumps(record.document(), indent=2, ensure_ascii=False, allow_nan=False)
    write_file(folder / RECORD, f"{text}\n".encode(), replace=True)
    with suppress(OSError):  # what it holds is in the record too
        (folder / JOURNAL).unlink()


def append_to_journal(folder: Path, sample: SampleRecord) -> None:
    """Adds a sample to the journal.

    Raises:
        ChordsError: The file cannot be written.
    """
    path = folder / JOURNAL
    line = json.dumps(sample.document(), ensure_ascii=False, allow_nan=False)
    try:
        append_to_file(path, f"{line}\n".encode())
    except OSError as error:
        raise ChordsError(
            f"cannot write {verbatim(path)}: {error.strerror or error}", *where_to_write(error)
        ) from error


def read_bytes(path: Path) -> bytes:
    """Reads a record or its journal.

    Raises:
        ValueError: It is larger than any that a run writes, or no file.
    """
    return read_at_most(path, _MOST_BYTES)


def read_journal(folder: Path) -> list[SampleRecord]:
    """Reads the complete lines of the journal, if a run that was killed has left one."""
    path = folder / JOURNAL
    samples = []
    for line in read_bytes(path).split(b"\n")[:-1] if path.is_file() else ():
        with suppress(ValueError):  # a line that was cut short
            samples.append(SampleRecord.model_validate_json(line))
    return samples


def _settings_record(settings: Settings) -> SettingsRecord:
    options = {
        name: getattr(settings, name)
        for name, (_, option) in options_of(RunOptions).items()
        if not option.pixels
    }
    options["output"] = str(settings.output)
    return SettingsRecord(**dict(pixels(settings)), prompts=settings.prompts, **options)
