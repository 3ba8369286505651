"""What a run would do, for people, from the document of `--dry-run`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from chords_cli.sampler.plan import Plan, chords_plan, sequential_plan
from chords_cli.sampler.wavefront import wavefront_plan
from chords_cli.ui.format import places, plural, size
from chords_cli.ui.views.plan import plan_chart, plan_summary

_LABEL = 10


def dry_run_view(document: Mapping[str, Any], width: int) -> list[RenderableType]:
    """The plan, the settings, the memory of the weights and the files, `width` columns wide."""
    plan, stop = _plan(document), document["stop"]
    latest = stop["criterion"] == "residual"
    index = plan.cores if latest else stop["index"]
    return [
        plan_chart(plan, index, width),
        Text(),
        plan_summary(plan, index, latest=latest),
        Text(),
        _facts("model", [_model(document)]),
        _facts("devices", [_devices(document), *([document["note"]] if document["note"] else [])]),
        _facts("settings", _settings(document["settings"])),
        _facts("stop", [_stop(stop)]),
        _facts("memory", _memory(document["memory"])),
        _facts("prompts", map(_prompt, document["prompts"])),
        _facts("files", document["files"]),
        Text("nothing was loaded, started or written", style="dim"),
    ]


def _plan(document: Mapping[str, Any]) -> Plan:
    plan = document["plan"]
    if document["algo"] == "sequential":
        return sequential_plan(plan["steps"])
    if document["algo"] == "wavefront":
        return wavefront_plan(plan["steps"], document["cores"], plan["planned_rounds"])
    return chords_plan(plan["steps"], plan["init_t"])


def _facts(name: str, lines: Iterable[str]) -> Text:
    """Lines with their name before the first."""
    text = Text()
    for number, line in enumerate(lines):
        text.append("\n" if number else "")
        text.append((name if number == 0 else "").ljust(_LABEL), style="cyan").append(line)
    return text


def _model(document: Mapping[str, Any]) -> str:
    source = document["repo"] or document["path"]
    return f"{document['preset']} from {source}, {document['dtype']}"


def _devices(document: Mapping[str, Any]) -> str:
    devices, cores = document["devices"], plural(document["cores"], "core")
    shared = len(set(devices)) < len(devices)
    return f"{places(devices)}, shared by {cores}" if shared else places(devices)


def _settings(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{key} {value!r}" for key, value in settings["call"].items())
    yield f"seed {settings['seed']}, {plural(settings['num'], 'result')} a prompt"


def _stop(stop: Mapping[str, Any]) -> str:
    if stop["criterion"] == "core_index":
        return f"at output {stop['index']}"
    return f"at the first output whose residual is below {stop['residual']:g}, or at the last"


def _memory(memory: Mapping[str, Any]) -> Iterator[str]:
    """The weights on every device and of every core, or why they are not known."""
    if memory["unknown"]:
        yield f"unknown: {memory['unknown']}"
    for device in memory["devices"]:
        yield _device_memory(device)
    for core in memory["cores"]:
        parts = ", ".join(f"{name} {size(amount)}" for name, amount in core["components"].items())
        yield f"core {core['core']} on {core['device']}: {size(core['bytes'])} ({parts})"


def _device_memory(device: Mapping[str, Any]) -> str:
    """What its cores hold, and what it has."""
    held = plural(len(device["cores"]), "core")
    if device["bytes"] is not None:
        held = f"{size(device['bytes'])} of weights for {held}"
    has = [f"{size(device[what])} {what}" for what in ("free", "total") if device[what] is not None]
    return f"{device['device']} ({device['title']}): {held}{', ' if has else ''}{' of '.join(has)}"


def _prompt(entry: Mapping[str, Any]) -> str:
    done = ", made before" if entry["done"] else ""
    return f"{entry['prompt']!r}, seed {entry['seed']}{done}"
