"""Whether a model is here and fits: its weights, the token, the pipeline, layout and memory."""

from collections.abc import Sequence
from itertools import groupby

from chords_cli.errors import ChordsError, Spell
from chords_cli.hub.cache import Weights
from chords_cli.hub.token import Token, find_token
from chords_cli.models.weights import download_command
from chords_cli.pipelines.load.installed import Libraries
from chords_cli.pipelines.load.spec import BYTES
from chords_cli.presets.schema import Preset
from chords_cli.records.doctor import Check
from chords_cli.records.run import CoreMemory, MemoryRecord
from chords_cli.runs.doctor.checks import MODEL, amount
from chords_cli.runs.doctor.installation import find_package
from chords_cli.runs.doctor.notes import Notes
from chords_cli.runs.generate.dry_run import memory_record
from chords_cli.runs.settings.layouts.capacity import DoesNotFitError, check_memory
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.runs.settings.settings import Settings


def look(
    notes: Notes,
    preset: Preset,
    request: Request | None,
    weights: Weights,
    libraries: Libraries | None,
) -> Settings | None:
    """Makes the checks of this file; returns the settings of a run, if there can be one.

    Args:
        notes: Where they go.
        preset: The model.
        request: On which devices; None where none is known.
        weights: What is here of it.
        libraries: What torch and diffusers say of themselves; None where nobody could be asked.
    """
    notes.check(MODEL, "weights", lambda: check_weights(preset, weights))
    notes.check(MODEL, "token", lambda: check_token(find_token(), preset, weights))
    if libraries and libraries.torch:
        notes.check(MODEL, "pipeline", lambda: check_pipeline(preset, libraries))
    if request is None:
        notes.add(MODEL.warn("layout", "not known, since no device is", "see devices"))
        return None
    try:
        settings = resolve(request, preset=preset, complete=False)  # files are at hand in a run
    except DoesNotFitError as error:
        notes.add(MODEL.refused("memory", error, notes.spell))
        return None
    except ChordsError as error:
        notes.add(MODEL.refused("layout", error, notes.spell))
        return None
    notes.check(MODEL, "layout", lambda: check_layout(settings))
    notes.check(
        MODEL, "memory", lambda: check_needs(settings, memory_record(settings), notes.spell)
    )
    return settings


def left_to_fetch(preset: Preset, weights: Weights) -> int:
    """Estimates the bytes of a model that are not on this machine, from its preset alone."""
    if weights.state == "complete" or not preset.repo:
        return 0
    size = round(sum(preset.parameters.values()) * 1e9) * BYTES[preset.dtype]
    return max(0, size - weights.bytes)


def check_weights(preset: Preset, weights: Weights) -> Check:
    """Looks at whether the model is on this machine."""
    if weights.state == "complete":
        return MODEL.ok("weights", f"{preset.name} is complete: {amount(weights.bytes)}")
    command = download_command(preset)
    remedy = weights.hint or (
        f"fetch it: {command}" if preset.repo else "correct the preset's path"
    )
    left = left_to_fetch(preset, weights)
    about = f", about {amount(left)} to fetch" if left else ""
    if weights.state == "absent":
        return MODEL.warn("weights", f"{preset.source} is not on this machine{about}", remedy)
    lack = f": {weights.lack}" if weights.lack else ""
    return MODEL.warn("weights", f"{preset.source} is not complete{lack}{about}", remedy)


def check_token(token: Token | None, preset: Preset, weights: Weights) -> Check:
    """Looks at whether there is a token for the hub; its value is not known here."""
    if token is not None and not token.usable:
        return MODEL.warn(
            "token",
            f"the one of {token.source} has spaces or letters that no token has",
            "copy it again from https://huggingface.co/settings/tokens",
        )
    if token is not None:
        return MODEL.ok("token", f"there is one, from {token.source}")
    if preset.license.gated and weights.state != "complete":
        place = preset.license.url or f"https://huggingface.co/{preset.repo}"
        return MODEL.warn(
            "token",
            f"none, and {preset.name} is gated",
            f"accept the licence ({place}), then log in: hf auth login",
        )
    return MODEL.ok("token", "none; only gated models that are not here yet need one")


def check_pipeline(preset: Preset, libraries: Libraries) -> Check:
    """Looks at whether the pipeline of the model can be imported."""
    package = find_package("diffusers")
    found = f"{preset.pipeline} of diffusers {(package and package.installed) or ''}".strip()
    if cause := libraries.broken.get("diffusers"):
        again = package.requirement if package else "pip install diffusers"
        return MODEL.fail("pipeline", f"{found} cannot be imported: {cause}", f"try {again}")
    return MODEL.ok("pipeline", found)


def check_layout(settings: Settings) -> Check:
    """Says which layout a run chooses, and why."""
    tight = (check_memory(settings.demand) or "").splitlines()
    why = [line for line in (settings.note or "").splitlines() if line not in tight]
    cores = "1 core" if settings.plan.cores == 1 else f"{settings.plan.cores} cores"
    where = ", ".join(dict.fromkeys(settings.devices))
    return MODEL.ok("layout", "; ".join(why) or f"{cores} on {where}, as the preset says")


def check_needs(settings: Settings, memory: MemoryRecord, spell: Spell) -> Check:
    """Compares what every process takes at least with what is free."""
    found = [
        *([f"not known: {memory.unknown}"] if memory.unknown else _say_cores(memory.cores)),
        *(
            f"{device.device} has {amount(free)} free"
            for device in memory.devices
            if (free := device.total if device.free is None else device.free) is not None
        ),
    ]
    try:
        tight = check_memory(settings.demand, guess=True)
    except ChordsError as error:
        return MODEL.refused("memory", error, spell)
    if tight:
        return MODEL.warn(
            "memory",
            "; ".join([*found, *tight.splitlines()]),
            "use fewer cores, a smaller picture, or devices with more memory",
        )
    return MODEL.ok("memory", "; ".join(found))


def _say_cores(cores: Sequence[CoreMemory]) -> list[str]:
    """Says what each process holds; neighbours that hold the same are named together."""
    told = []
    for size, group in groupby(cores, key=lambda core: core.bytes):
        held = [core.core for core in group]
        who = f"core {held[0]}" if held[0] == held[-1] else f"cores {held[0]} to {held[-1]} each"
        told.append(f"{who} {amount(size)} of weights")
    return told
