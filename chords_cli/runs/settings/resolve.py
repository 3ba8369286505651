"""Resolves and checks everything that a run needs to know, before anything slow starts.

An option that is given wins over the metadata of `--from-metadata`, the metadata over the preset,
and the preset over the defaults here.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

from chords_cli.engine.exchange.network import check_interface
from chords_cli.engine.start import requested_method
from chords_cli.errors import UsageError
from chords_cli.models.fit import check_algo, check_model
from chords_cli.presets.schema import Preset
from chords_cli.records.recipe import Pixels
from chords_cli.runs.settings.by_line import with_lines
from chords_cli.runs.settings.first_checks import (
    check_kind,
    check_resume,
    check_values,
    find_preset,
)
from chords_cli.runs.settings.from_metadata import (
    read_recipe,
    with_latent,
    with_parts,
    with_recipe,
    with_sampling,
)
from chords_cli.runs.settings.inputs import begin_from
from chords_cli.runs.settings.layouts.capacity import check_memory
from chords_cli.runs.settings.layouts.laying_out import as_asked, as_exact, lay_out
from chords_cli.runs.settings.layouts.layout import Layout
from chords_cli.runs.settings.layouts.members import check_apart, check_members
from chords_cli.runs.settings.layouts.placement import (
    Placement,
    at_most,
    find_devices,
    place,
    plan_and_stop,
)
from chords_cli.runs.settings.lines import lines_of
from chords_cli.runs.settings.options.call import resolve_call
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.request import CALL_OPTIONS, Request
from chords_cli.runs.settings.options.run_options import RunOptions
from chords_cli.runs.settings.output_folder import default_output
from chords_cli.runs.settings.samples import (
    resolve_prompts,
)
from chords_cli.runs.settings.settings import Settings
from chords_cli.runs.settings.words import with_words
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.rounds import caution, free_cores
from chords_cli.sampler.stop import StopRule


def resolve(
    request: Request,
    *,
    preset: Preset | None = None,
    starts: bool = False,
    earlier: Pixels | None = None,
    complete: bool = True,
) -> Settings:
    """Resolves the settings of a run.

    Args:
        request: What the user asks for.
        preset: The preset to run, if the request does not name it.
        starts: Whether to start importing what the workers need while the devices are found.
        earlier: The settings of a run that goes on.
        complete: Whether the request names all files to start from; else they are named later.

    Raises:
        UsageError: Settings contradict each other, are out of range, or name something that does
            not exist.
    """
    model = request.model
    request = with_latent(request)
    recipe = None if request.from_metadata is None else read_recipe(request.from_metadata)
    if recipe is not None:
        request = with_recipe(request, recipe)
    check_resume(request)
    request = as_exact(request)
    preset = preset or find_preset(request)
    check_kind(request, preset, model)
    preset = with_parts(preset, recipe, named=model is not None)
    lines = lines_of(request)
    first = lines[0].apply(request) if lines else request
    preset = preset.starting_from([role for role, _ in first.files])
    sampled = with_sampling(preset, recipe)
    requested_method()  # refuses a wrong CHORDS_START
    with lines[0].named() if lines else nullcontext():
        beginning = begin_from(first, preset, resolve_call(first, preset), complete=complete)
    planned = beginning.apply(first)
    with beginning.explained():
        plan, stop = plan_and_stop(planned, sampled)
    settings = Settings(
        **_run_options(request, preset),
        preset=preset,
        prompts=tuple(line.prompt for line in lines)
        or resolve_prompts(request.prompts, request.prompt_file, preset.prompts),
        plan=plan,
        stop=stop,
        call=beginning.call,
        inputs=beginning.inputs,
        devices=(),
        note="\n".join(beginning.notes) or None,
    )
    check_values(settings, preset, settings.prompts)
    check_model(preset, dict.fromkeys(beginning.missing) | settings.arguments, CALL_OPTIONS)
    check_members(preset, settings.call, split=settings.guidance_split, context=settings.context)
    available = find_devices(request, preset, starts=starts)
    with beginning.explained():
        settings = _on_devices(settings, planned, sampled, available, earlier)
    settings = with_lines(settings, request, sampled, lines, beginning) if lines else settings
    return with_words(settings)


def _on_devices(
    settings: Settings,
    request: Request,
    sampled: Preset,
    available: Sequence[str],
    earlier: Pixels | None,
) -> Settings:
    """Returns the settings with devices laid out, or with the plan's cores on them."""
    if laid_out := _lay_out(settings, request, sampled, available, earlier):
        return laid_out
    plan, stop, members = settings.plan, settings.stop, settings.members
    again = request.from_metadata is not None
    if not again and request.cores is None and request.init_t in (None, "auto"):
        plan, stop = at_most(max(1, len(available) // members), request, sampled, plan, stop)
    asked = request.cores or min(len(available) // members, sampled.plan.cores)
    alone = request.from_latent is not None
    return _on_cores(settings, plan, stop, available, asked=asked, alone=alone)


def _lay_out(
    settings: Settings,
    request: Request,
    sampled: Preset,
    available: Sequence[str],
    earlier: Pixels | None,
) -> Settings | None:
    """Returns the settings with all devices laid out; None where that is not left to us.

    Where several pictures at a time do not fit, because each group encodes its own prompts, they
    are made one after the other, each on all devices.
    """
    count = len(settings.samples)
    error: UsageError | None = None
    for pictures in dict.fromkeys((count, 1)):
        layout = lay_out(
            request,
            settings.preset,
            settings.call,
            pictures=pictures,
            devices=available,
            earlier=earlier,
        )
        if layout is None:
            return None
        plan, stop = plan_and_stop(as_asked(request, layout), sampled)
        try:
            return _laid_out(settings, layout, plan, stop, available)
        except UsageError as failed:
            error = error or failed
            if layout.groups == 1:
                break
    assert error is not None, "what is laid out is returned or refused"
    raise error


def _on_cores(
    settings: Settings,
    plan: Plan,
    stop: StopRule,
    available: Sequence[str],
    *,
    asked: int,
    alone: bool,
) -> Settings:
    """Returns the settings with the plan's cores on devices.

    Args:
        settings: With the plan for as many cores as the run would use if it had the devices.
        plan: The one that is run.
        stop: Chooses its result.
        available: The devices to use, each once.
        asked: How many cores the user, or the preset and the devices, ask for.
        alone: Whether the only process decodes and exchanges nothing.
    """
    check_algo(settings.preset, plan.algo, settings.call)
    if plan.cores * settings.members > 1:
        check_interface()
    placement = _place(settings, plan.cores, available, alone=alone)
    settings = replace(settings, plan=plan, stop=stop, devices=placement.devices)
    free = free_cores(plan, asked)
    notes = (settings.note, placement.note, free, caution(plan), check_memory(settings.demand))
    return replace(settings, note="\n".join(filter(None, notes)) or None)


def _laid_out(
    settings: Settings, layout: Layout, plan: Plan, stop: StopRule, available: Sequence[str]
) -> Settings:
    """Returns the settings with which devices are used as the layout says."""
    check_algo(settings.preset, plan.algo, settings.call)
    devices = tuple(available[: layout.devices])
    if len(devices) > 1:
        check_interface()
    check_apart(devices, available, layout.members, layout.contexts)
    settings = replace(
        settings,
        plan=plan,
        stop=stop,
        devices=devices,
        groups=layout.groups,
        guidance_split=layout.split,
        context=layout.contexts,
        layout=layout,
    )
    chosen = layout.describe(len(available))
    chosen += "" if layout.exact else "; --exact makes what the stock pipeline makes"
    notes = (settings.note, chosen, caution(plan), check_memory(settings.demand))
    return replace(settings, note="\n".join(filter(None, notes)))


def _place(settings: Settings, cores: int, available: Sequence[str], *, alone: bool) -> Placement:
    """Places cores on devices; a process that only decodes, `alone`, exchanges nothing."""
    members, context = settings.members, 1 if alone else settings.context
    placement = place(
        cores,
        available,
        wished=settings.plan.cores,
        preset=settings.preset.name,
        members=members,
        context=context,
    )
    check_apart(placement.devices, available, members, context)
    return placement


def check_again(settings: Settings) -> None:
    """Checks what may not have been on this machine when the settings were resolved.

    Raises:
        UsageError: The model does not fit the preset, or the machine.
    """
    check_model(settings.preset, settings.arguments)
    check_algo(settings.preset, settings.plan.algo, settings.call)
    check_memory(settings.demand)


def _run_options(request: Request, preset: Preset) -> dict[str, Any]:
    """Returns the values of `RunOptions`, from the preset where the request has none."""
    values = {option.name: getattr(request, option.name) for option in fields(RunOptions)}
    for name, (_, option) in options_of(RunOptions).items():
        if option.preset and values[name] is None:
            values[name] = getattr(preset, name)
    values["num"] = 1 if request.num is None else request.num
    values["host"] = request.hosts.here if request.hosts else ""
    values["output"] = request.output or default_output(preset.name)
    return values
