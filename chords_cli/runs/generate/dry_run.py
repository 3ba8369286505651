"""Says what a run would do: its record, its files and the memory of its weights; loads nothing."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from chords_cli.engine.devices import device_memory
from chords_cli.errors import ChordsError
from chords_cli.models.denoisers.attention import attention_of
from chords_cli.models.memory import estimate_memory
from chords_cli.models.weights import missing_weights, model_folder
from chords_cli.presets.schema import Preset
from chords_cli.records.run import (
    CoreMemory,
    DeviceMemory,
    DryRunRecord,
    MemoryRecord,
    SampleRecord,
    SetUpRecord,
)
from chords_cli.runs.generate.record import RECORD, run_record, with_own
from chords_cli.runs.generate.run import prepare
from chords_cli.runs.outputs.saving import planned_names
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.settings import Settings


def dry_run(request: Request) -> DryRunRecord:
    """Returns the record as a run would begin it, with the run's files and its weights' memory.

    Nothing is loaded, started or written.

    Raises:
        UsageError: The request cannot be done.
    """
    prepared = prepare(request)
    settings, done = prepared.settings, prepared.earlier.done
    names: list[str] = []
    planned = []
    for sample in settings.samples:
        earlier = done.get(sample.number)
        own = settings.of(sample)
        new_names = () if earlier else planned_names(own, sample)
        names += new_names
        record = SampleRecord(
            prompt=sample.prompt,
            seed=sample.seed,
            output=earlier.output if earlier else new_names[0],
            done=earlier is not None,
        )
        planned.append(with_own(record, own, sample))
    return DryRunRecord(
        **dict(run_record(settings, planned)),
        dry_run=True,
        set_up=set_up_record(settings.preset),
        missing=missing_weights(settings.preset),
        files=tuple(str(settings.output / name) for name in (*names, RECORD)),
        memory=memory_record(settings),
    )


def set_up_record(preset: Preset) -> SetUpRecord:
    """Returns how the preset's model would be set up once it is loaded."""
    parts = preset.components
    return SetUpRecord(
        compile=preset.compile,
        attention=attention_of(preset),
        tiling=tuple(name for name, part in parts.items() if part.tiling),
        slicing=tuple(name for name, part in parts.items() if part.slicing),
    )


def memory_record(settings: Settings) -> MemoryRecord:
    """Estimates the memory of the weights per core and per device.

    The estimate comes from the files or, if they are not on this machine, from the preset.
    """
    folder: Path | None = None
    unknown: str | None = None
    cores: tuple[CoreMemory, ...] = ()
    with suppress(ChordsError):
        folder = model_folder(settings.preset)
    try:
        cores = _by_core(settings, folder)
    except (OSError, ValueError) as error:
        unknown = str(error)
    else:
        unknown = None if cores else "the weights are not here and the preset tells no parameters"
    return MemoryRecord(
        cores=cores,
        devices=_by_device(settings, cores),
        source="files" if folder else "configuration",
        unknown=unknown,
    )


def _by_core(settings: Settings, folder: Path | None) -> tuple[CoreMemory, ...]:
    """Estimates the memory of every core, or of its two processes."""
    demand, members = settings.demand, settings.members
    estimate = estimate_memory(
        settings.preset,
        settings.dtype,
        len(settings.devices),
        demand.decoding,
        folder,
        demand.encoding,
        sees=demand.sees,
    )
    found = []
    for rank, (held, device) in enumerate(zip(estimate, settings.devices, strict=False)):
        core, member = divmod(rank, members)
        memory = CoreMemory(
            core=core, components=held["components"], bytes=held["bytes"], device=device
        )
        found.append(memory.model_copy(update={"member": member} if members > 1 else {}))
    return tuple(found)


def _by_device(settings: Settings, cores: Sequence[CoreMemory]) -> tuple[DeviceMemory, ...]:
    """Returns per device its cores, the total bytes of their weights, and its memory."""
    estimate = []
    here = dict(zip(settings.devices, settings.demand.devices, strict=True))
    found = device_memory(tuple(here.values()))
    for device, memory in ((name, found[own]) for name, own in here.items()):
        ranks = tuple(rank for rank, place in enumerate(settings.devices) if place == device)
        size = sum(cores[rank].bytes for rank in ranks) if cores else None
        on = tuple(rank // settings.members for rank in ranks)
        estimate.append(DeviceMemory(device=device, cores=on, bytes=size, **asdict(memory)))
    return tuple(estimate)
