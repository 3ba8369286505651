"""Lays devices out where neither the user nor the preset says how many cores a picture has.

`layout` beside it knows which layout is soonest; here is what a request, a preset, a model and a
machine allow.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from chords_cli.engine.exchange.links import have_fast_links
from chords_cli.engine.hosts.places import split_host
from chords_cli.errors import UsageError
from chords_cli.models.fit import check_algo
from chords_cli.models.repositories import find_model
from chords_cli.presets.files import model_or_default
from chords_cli.presets.gains import read_gains
from chords_cli.presets.schema import Preset, Stop
from chords_cli.records.layouts import GainsRecord, LayoutRecord, LayoutsRecord
from chords_cli.records.recipe import Pixels
from chords_cli.runs.settings.layouts.layout import (
    ASSUMED,
    Gains,
    Layout,
    Work,
    choose_layout,
    layouts,
    members_of,
)
from chords_cli.runs.settings.layouts.members import check_members
from chords_cli.runs.settings.layouts.placement import default_plan
from chords_cli.runs.settings.options.call import resolve_call
from chords_cli.runs.settings.options.request import Request
from chords_cli.sampler.choice import DEFAULT_ALGO
from chords_cli.sampler.rounds import expected_error

_ASKED = ("cores", "algo", "init_t", "rounds", "speedup", "stop_index", "stop_residual")
"""Options that say how a picture is made; with any of them devices are not laid out."""


def as_exact(request: Request) -> Request:
    """Returns the request with the stock sampler, if it asks for exact pictures.

    So they are exact, too, where devices lack for a layout and the members of a core share them.

    Raises:
        UsageError: An option says how the picture is made.
    """
    if not request.exact:
        return request
    for name in _ASKED:
        value = getattr(request, name)
        if value is not None and (name, value) != ("algo", "sequential"):
            wait = "" if name == "stop_index" else "; {stop_index} waits for core 0's output"
            raise UsageError(
                f"{{exact}} chooses itself how pictures are made, but {name} is {value}",
                f"leave out {{exact}} or {{{name}}}{wait}",
                {"stop_index": request.cores or 4, "exact": True, name: value},
            )
    return replace(request, algo="sequential")


def lay_out(
    request: Request,
    preset: Preset,
    call: Mapping[str, Any],
    *,
    pictures: int,
    devices: Sequence[str],
    earlier: Pixels | None = None,
) -> Layout | None:
    """Chooses how devices are laid out; None where the request or the preset says it.

    Args:
        request: What the user asks for.
        preset: The model, with its own sampling.
        call: The arguments of the pipeline's call.
        pictures: How many images or videos there are to make.
        devices: The devices to use, each once.
        earlier: The settings of a run that goes on: its pictures stay what they are.
    """
    if not (_is_left_open(request, preset) or request.exact):
        return None
    gains = own_gains()
    fast = "context" in gains.measured or have_fast_links(devices)
    work = work_for(request, preset, call, pictures=pictures, gains=gains, fast=fast)
    hosts = Counter(split_host(device)[0] for device in devices)
    work = replace(work, hosts=tuple(hosts.values()) if len(hosts) > 1 else ())
    if earlier is not None and not request.exact:
        return _same_as(earlier, work, len(devices), gains)
    return choose_layout(work, len(devices), gains)


def work_for(
    request: Request,
    preset: Preset,
    call: Mapping[str, Any],
    *,
    pictures: int,
    gains: Gains,
    fast: bool,
) -> Work:
    """Returns what there is to make, with what the model and its call allow.

    Unless it is asked for, tokens are shared only where links are `fast`.
    """
    default = default_plan(preset, request.guidance)
    shares = _allows(lambda: check_algo(preset, DEFAULT_ALGO, call))
    return Work(
        steps=default.steps if request.steps is None else request.steps,
        guidance=default.guidance,
        pictures=pictures,
        cores=default.cores,
        splits=_splits(request, preset, call),
        contexts=_contexts(request, preset, call, gains, fast=fast),
        exact=request.exact or default.algo == "sequential" or not shares,
    )


def own_gains() -> Gains:
    """Returns the gains that the user has measured, else the assumed ones."""
    measured = read_gains()
    if measured is None:
        return ASSUMED
    return Gains(
        split=measured.split or ASSUMED.split,
        context=tuple(sorted(measured.context.items())),
        measured=tuple(name for name in ("split", "context") if getattr(measured, name)),
    )


def _same_as(earlier: Pixels, work: Work, devices: int, gains: Gains) -> Layout | None:
    """Returns the layout that makes pictures as an earlier run did; None where devices lack."""
    split, contexts = earlier.guidance_split, earlier.context
    most = devices // (earlier.cores * members_of(split=split, context=contexts))
    if not most or earlier.algo == "chords":
        return None
    return Layout(
        groups=min(most, work.pictures),
        cores=earlier.cores,
        split=split,
        contexts=contexts,
        rounds=earlier.planned_rounds or work.steps,
        gain=gains.of(split=split, contexts=contexts),
        work=work,
    )


def list_layouts(
    model: str | None,
    *,
    devices: int,
    pictures: int,
    steps: int | None,
    guidance: float | None,
    exact: bool,
) -> LayoutsRecord:
    """Lists how so many devices can be laid out, as if every two had a fast link.

    Of layouts that differ only in how many pictures they make at a time, the best one is listed.

    Raises:
        UsageError: The model is not known.
    """
    preset = find_model(model_or_default(model))
    request = Request(kind=preset.kind, steps=steps, guidance=guidance, exact=exact)
    gains, call = own_gains(), resolve_call(request, preset)
    work = work_for(request, preset, call, pictures=pictures, gains=gains, fast=True)
    best: dict[tuple[int, bool, int], Layout] = {}
    for one in sorted(layouts(work, devices, gains), key=Layout.rank):
        best.setdefault((one.cores, one.split, one.contexts), one)
    return LayoutsRecord(
        preset=preset.name,
        steps=work.steps,
        guidance=work.guidance,
        devices=devices,
        pictures=pictures,
        exact=exact,
        gains=GainsRecord(split=gains.split, context=dict(gains.context), measured=gains.measured),
        layouts=tuple(map(_as_record, best.values())),
    )


def usual_layout(preset: Preset, devices: int) -> LayoutRecord | None:
    """Returns how so many devices make one picture where no link is fast.

    None where the preset says how many cores a picture has.
    """
    request, gains = Request(kind=preset.kind), own_gains()
    if not _is_left_open(request, preset):
        return None
    call, fast = resolve_call(request, preset), "context" in gains.measured
    work = work_for(request, preset, call, pictures=1, gains=gains, fast=fast)
    chosen = choose_layout(work, devices, gains)
    return None if chosen is None else _as_record(chosen)


def _as_record(layout: Layout) -> LayoutRecord:
    error = None if layout.exact else expected_error(layout.plan())
    return LayoutRecord(
        groups=layout.groups,
        cores=layout.cores,
        guidance_split=layout.split,
        context=layout.contexts,
        devices=layout.devices,
        rounds=layout.rounds,
        speedup=round(layout.speedup, 2),
        exact=layout.exact,
        error=error.median if error else None,
        within=error.most if error else None,
    )


def as_asked(request: Request, layout: Layout) -> Request:
    """Returns the request that asks for a layout's plan and members by itself."""
    sequential = layout.cores == 1 and layout.exact
    return replace(
        request,
        algo="sequential" if sequential else DEFAULT_ALGO,
        cores=layout.cores,
        rounds=None if sequential else layout.rounds,
        guidance_split=layout.split,
        context=layout.contexts,
    )


def _is_left_open(request: Request, preset: Preset) -> bool:
    sampling = preset.sampling
    plain = sampling.algo in (DEFAULT_ALGO, "sequential") and sampling.rounds == "auto"
    usual = plain and sampling.stop == Stop()
    said = any(getattr(request, name) is not None for name in _ASKED)
    return usual and not (said or request.all_cores or request.from_metadata)


def _splits(request: Request, preset: Preset, call: Mapping[str, Any]) -> tuple[bool, ...]:
    if request.guidance_split is not None:
        return (request.guidance_split,)
    if preset.guidance_split:
        return (True,)
    able = _allows(lambda: check_members(preset, call, split=True, context=1))
    return (False, True) if able else (False,)


def _contexts(
    request: Request, preset: Preset, call: Mapping[str, Any], gains: Gains, *, fast: bool
) -> tuple[int, ...]:
    """Returns on how many devices the tokens may be shared."""
    if asked := request.context or (preset.context if preset.context > 1 else None):
        return (asked,)
    able = fast and _allows(lambda: check_members(preset, call, split=False, context=2))
    return (1, *dict(gains.context)) if able else (1,)


def _allows(check: Callable[[], None]) -> bool:
    """Tells whether a check refuses nothing."""
    with suppress(UsageError):
        check()
        return True
    return False
