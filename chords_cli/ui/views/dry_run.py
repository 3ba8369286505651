"""Shows what a run would do, from the record of `--dry-run`."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.text import Text

from chords_cli.records.run import DeviceMemory, DryRunRecord, SampleRecord, SetUpRecord
from chords_cli.sampler.plan import Plan, chords_plan, sequential_plan
from chords_cli.sampler.wavefront import wavefront_plan
from chords_cli.ui.format import (
    first_within,
    members_of,
    output_name,
    places,
    plural,
    process_name,
    size,
)
from chords_cli.ui.views.plan import plan_chart, plan_summary

_LABEL = 10


def dry_run_view(record: DryRunRecord, width: int) -> list[RenderableType]:
    """Draws plan, settings, memory of the weights and files, `width` columns wide."""
    plan, stop, settings = _rebuild_plan(record), record.stop, record.settings
    index = plan.cores if stop.index is None else stop.index
    end = f"at {output_name(index)}"
    if stop.residual is not None:
        end = f"at {first_within(stop.residual)}, or at the last"
    arguments = [f"{key} {value!r}" for key, value in settings.call.items()]
    seeds = f"seed {settings.seed}, {plural(settings.num, 'result')} a prompt"
    own = any(sample.own for sample in record.prompts)
    files = () if own else [f"{one.role} {one.name}" for one in settings.inputs or ()]
    model = f"{record.preset} from {record.repo or record.path}, {record.dtype}"
    return [
        plan_chart(plan, index, width),
        Text(),
        plan_summary(plan, index, latest=stop.index is None),
        Text(),
        _facts("model", [model, *_set_up(record.set_up), *filter(None, [record.missing])]),
        _facts("devices", _devices(record)),
        *([_facts("notes", record.note.splitlines())] if record.note else []),
        *([_facts("inputs", files)] if files else []),
        _facts("settings", [*arguments, seeds]),
        _facts("stop", [end]),
        _facts("memory", _memory(record)),
        _facts("prompts", map(_sample, record.prompts)),
        _facts("files", record.files),
        Text("nothing was loaded, started or written", style="dim"),
    ]


def _set_up(set_up: SetUpRecord) -> Iterator[str]:
    """Says how attention is computed, whether blocks are compiled, and what works in pieces."""
    parts = [f"attention {set_up.attention}", "not compiled"]
    if set_up.compile is not None:
        arguments = ", ".join(f"{key} {value!r}" for key, value in set_up.compile.items())
        parts[1] = f"blocks compiled with {arguments}" if arguments else "blocks compiled"
    parts += [f"{name} in tiles" for name in set_up.tiling]
    parts += [f"{name} one picture at a time" for name in set_up.slicing]
    yield ", ".join(parts)


def _sample(sample: SampleRecord) -> str:
    """Says what is made, and what its line in a prompt file has of its own."""
    parts = [repr(sample.prompt), f"seed {sample.seed}"]
    if sample.own:
        parts += [f"{one.role} {one.name}" for one in sample.own.inputs or ()]
        parts += [f"{sample.own.steps} steps"]
    return ", ".join([*parts, "made before"] if sample.done else parts)


def _rebuild_plan(record: DryRunRecord) -> Plan:
    plan = record.plan
    if record.algo == "sequential":
        return sequential_plan(plan.steps)
    if record.algo == "wavefront":
        rounds = plan.planned_rounds or plan.rounds
        return wavefront_plan(plan.steps, record.cores, rounds, plan.guidance or 1.0)
    return chords_plan(plan.steps, plan.init_t)


def _facts(name: str, lines: Iterable[str]) -> Text:
    """Writes lines, with their name before the first one."""
    text = Text()
    for number, line in enumerate(lines):
        text.append("\n" if number else "")
        text.append((name if number == 0 else "").ljust(_LABEL), style="cyan").append(line)
    return text


def _devices(record: DryRunRecord) -> Iterator[str]:
    devices, cores = record.devices, plural(record.cores, "core")
    by = cores + members_of(record.settings.guidance_split, record.settings.context)
    shared = len(set(devices)) < len(devices)
    yield f"{places(devices)}, shared by {by}" if shared else places(devices)
    if len(devices) > record.cores and not shared:
        yield f"{by}: each on {len(devices) // record.cores} devices"


def _memory(record: DryRunRecord) -> Iterator[str]:
    """Yields the weights per device and per core, or why they are not known."""
    memory = record.memory
    if memory.unknown:
        yield f"unknown: {memory.unknown}"
    for device in memory.devices:
        yield _device_memory(device, several=len(record.devices) > record.cores)
    for core in memory.cores:
        parts = ", ".join(f"{name} {size(amount)}" for name, amount in core.components.items())
        who = process_name(core.core, core.member)
        yield f"{who} on {core.device}: {size(core.bytes)} ({parts})"


def _device_memory(device: DeviceMemory, *, several: bool) -> str:
    """Says what a device's cores hold, and how much memory it has."""
    count = len(device.cores)
    held = f"{count} processes" if several and count > 1 else plural(count, "core")
    if device.bytes is not None:
        held = f"{size(device.bytes)} of weights for {held}"
    amounts = {"free": device.free, "total": device.total}
    memory = [f"{size(amount)} {name}" for name, amount in amounts.items() if amount is not None]
    separator = ", " if memory else ""
    return f"{device.device} ({device.title}): {held}{separator}{' of '.join(memory)}"
