"""Whether the members of a core can share its work: the halves of guidance, or a picture's tokens.

Diffusers has a plan for some denoisers of how their tokens are shared, and knows which of its ways
to compute attention can do it. Both stand in its source.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chords_cli.engine.hosts.places import kind_of, split_host
from chords_cli.errors import UsageError, either
from chords_cli.models.denoisers.attention import VARIABLE, attention_of
from chords_cli.models.denoisers.source import (
    attention_backends,
    planned_denoisers,
    read_denoiser,
)
from chords_cli.models.fit import find_denoiser_classes
from chords_cli.presets.call import is_guided_twice
from chords_cli.presets.schema import Preset
from chords_cli.sampler.choice import MOST_CORES

_MASKED = "LTX"
"""How the denoisers begin whose text has a mask for all heads, of which a member has some."""

_ALONE = {"context": 1}


def check_members(preset: Preset, call: Mapping[str, Any], *, split: bool, context: int) -> None:
    """Refuses members that have nothing to share, or that cannot share it.

    Args:
        preset: The model.
        call: The arguments of the pipeline's call.
        split: Whether they share the halves of guidance.
        context: Among how many of them the tokens are shared.

    Raises:
        UsageError: The model or its call does not allow that.
    """
    if context > MOST_CORES:
        raise UsageError(
            f"context is {context}, but a core has at most {MOST_CORES} devices",
            "use {context}",
            {"context": 2},
        )
    if split:
        _check_split(preset, call)
    if context > 1:
        _check_context(preset)


def check_apart(
    devices: Sequence[str], available: Sequence[str], members: int, context: int
) -> None:
    """Refuses devices on which members could not exchange what they share; on the CPU all can.

    Args:
        devices: One entry per process.
        available: The devices to use, each once.
        members: How many processes a core has.
        context: Among how many of them the tokens are shared.

    Raises:
        UsageError: Processes share a GPU, devices are of several kinds, or a core's are on several
            hosts.
    """
    _check_hosts(devices, members)
    if context == 1:
        return
    kinds = list(dict.fromkeys(map(kind_of, devices)))
    if len(kinds) > 1:
        raise UsageError(
            f"{' and '.join(kinds)} cannot exchange tokens, and context is {context}",
            "name {devices:name} of one kind, or use {context}",
            {"devices": None, **_ALONE},
        )
    shared = next((device for device in devices if devices.count(device) > 1), "cpu")
    if kind_of(shared) == "cpu":
        return
    cores = len(available) // members
    fewer = "use {cores}" if cores else "name more {devices:name}"
    raise UsageError(
        f"{devices.count(shared)} processes would share {shared}, but with context {context} each "
        f"of a core's {members} processes needs a device of its own",
        f"{fewer}, or {{context}}",
        {"cores": cores, "devices": None, **_ALONE},
    )


def _check_hosts(devices: Sequence[str], members: int) -> None:
    """Refuses cores with members on several hosts: they exchange too much for that.

    Raises:
        UsageError: There is one.
    """
    for core in range(len(devices) // members):
        own = dict.fromkeys(devices[core * members : (core + 1) * members])
        if len({split_host(device)[0] for device in own}) > 1:
            raise UsageError(
                f"core {core} would be on {' and '.join(own)}, but all {members} processes of a "
                "core are on one host",
                f"name a multiple of {members} {{devices:name}} on every host",
                {"devices": None},
            )


def _check_split(preset: Preset, call: Mapping[str, Any]) -> None:
    """Refuses to split the guidance of a call that asks the model for one half a step.

    Raises:
        UsageError: There is nothing to split, or a cache already leaves one half out.
    """
    without = {"guidance_split": False}
    if not is_guided_twice(preset.pipeline, call):
        raise UsageError(
            f"{preset.name} is not guided, or only told its guidance: it calls its model once a "
            "step, and there is nothing to split",
            "use {guidance_split}, or raise {guidance} above 1 where the model is called twice",
            without | {"guidance": None},
        )
    if preset.cache is not None and preset.cache.name == "faster":
        raise UsageError(
            f"cache faster of {preset.name} leaves out one half of guidance, and a split computes "
            "both at once",
            "name another cache, or use {guidance_split}",
            without,
        )


def _check_context(preset: Preset) -> None:
    """Refuses to share the tokens of a model that diffusers cannot share.

    Raises:
        UsageError: It has no plan for the model, or attention, cache or compiled blocks cannot be
            shared.
    """
    for name in find_denoiser_classes(preset):
        found = read_denoiser(name)
        if name.startswith(_MASKED):
            raise UsageError(
                f"{preset.name} cannot share its tokens: the mask of its text is for all heads of "
                f"attention, and diffusers cuts none of {name}'s (its issue 14316)",
                "use {context}, or more {cores:name}",
                {"cores": None, **_ALONE},
            )
        if found is not None and not found.planned:
            known = [cls for cls in planned_denoisers() if not cls.startswith(_MASKED)]
            raise UsageError(
                f"{preset.name} cannot share its tokens: diffusers has no plan for {name}",
                f"use {{context}}, or more {{cores:name}}; it has plans for {', '.join(known)}",
                {"cores": None, **_ALONE},
            )
    backend, able = attention_of(preset), attention_backends()
    if able and backend not in able:
        who = "the preset's attention" if preset.attention else VARIABLE
        raise UsageError(
            f"{who} is {backend}, but members that share tokens compute attention with "
            f"{either(able)}",
            f"{'change' if preset.attention else 'unset'} {who}, or use {{context}}",
            _ALONE,
        )
    if preset.compile is not None:
        raise UsageError(
            f"{preset.name} compiles its blocks, and torch cannot compile how their members "
            "exchange tokens",
            "remove compile from the preset, or use {context}",
            _ALONE,
        )
    if preset.cache is not None and preset.cache.name == "first-block":
        raise UsageError(
            f"cache first-block of {preset.name} decides by the tokens that it sees, and members "
            "that share them would decide differently",
            "name another cache, or use {context}",
            _ALONE,
        )
