"""Resolves what every line of a prompt file has of its own, once the run's settings are known.

All lines are made by the same cores. A strength leaves every line a plan of its own length.
"""

from collections.abc import Sequence
from dataclasses import replace

from chords_cli.errors import UsageError
from chords_cli.models.inputs.strength import strength_of
from chords_cli.presets.roles import option_of
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.inputs import Input
from chords_cli.runs.settings.first_checks import check_kind
from chords_cli.runs.settings.inputs import Beginning, begin_from
from chords_cli.runs.settings.layouts.capacity import check_memory
from chords_cli.runs.settings.layouts.laying_out import as_asked
from chords_cli.runs.settings.layouts.members import check_members
from chords_cli.runs.settings.layouts.placement import plan_and_stop
from chords_cli.runs.settings.lines import Line
from chords_cli.runs.settings.options.call import resolve_call
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.samples import check_samples
from chords_cli.runs.settings.settings import Own, Settings
from chords_cli.sampler.plan import Plan
from chords_cli.sampler.stop import StopRule

_MOST_NOTES = 8


def with_lines(
    settings: Settings,
    request: Request,
    sampled: Preset,
    lines: Sequence[Line],
    beginning: Beginning,
) -> Settings:
    """Returns the settings with what every line has of its own.

    Args:
        settings: Those that the first line would have alone.
        request: What the user asks for beside the lines.
        sampled: The preset, with the plan to begin with.
        lines: One for each prompt.
        beginning: What the first line starts from, which is read already.

    Raises:
        UsageError: A line is wrong, or cannot be made by the same pipeline; names it.
    """
    notes = dict.fromkeys((settings.note or "").splitlines())
    own: list[Own] = []
    known: dict[str, bytes] = {}
    for number, line in enumerate(lines):
        with line.named():
            read = None if number else beginning
            one, told = _resolve(settings, request, sampled, line, read)
        own.append(replace(one, inputs=_shared(one.inputs, known)))
        notes |= dict.fromkeys(f"{line.place}: {note}" for note in told if note not in notes)
    shown = [*notes][:_MOST_NOTES]
    shown += [f"and {len(notes) - _MOST_NOTES} more notes"] if len(notes) > _MOST_NOTES else []
    settings = replace(settings, lines=tuple(own), note="\n".join(shown) or None)
    sizes = {tuple(one.call.get(key) for key in ("width", "height")): one for one in own}
    for one in sizes.values():
        check_memory(replace(settings.demand, call=one.call))
    return settings


def _resolve(
    settings: Settings, request: Request, sampled: Preset, line: Line, read: Beginning | None
) -> tuple[Own, tuple[str, ...]]:
    """Returns what a line has of its own, and what to say about it."""
    asked, preset = line.apply(request), settings.preset
    check_kind(asked, preset, None)
    _check_roles(asked, settings)
    if line.seed is not None:
        check_samples(1, settings.num, line.seed)
    beginning = read or begin_from(asked, preset, resolve_call(asked, preset))
    check_members(preset, beginning.call, split=settings.guidance_split, context=settings.context)
    with beginning.explained():
        plan, stop = _plan(settings, beginning.apply(asked), sampled, beginning.steps)
    own = Own(seed=line.seed, call=beginning.call, inputs=beginning.inputs, plan=plan, stop=stop)
    return own, beginning.notes


def _shared(inputs: Sequence[Input], known: dict[str, bytes]) -> tuple[Input, ...]:
    """Returns inputs that hold the bytes of equal files once, whichever lines name them."""
    media = [
        replace(one.medium, data=known.setdefault(one.medium.sha256, one.medium.data))
        for one in inputs
    ]
    return tuple(replace(one, medium=medium) for one, medium in zip(inputs, media, strict=True))


def _check_roles(asked: Request, settings: Settings) -> None:
    """Refuses a line whose files, or lack of any, are for another pipeline than the first one's."""
    if not asked.files and settings.inputs and strength_of(settings.preset.pipeline):
        option = option_of(settings.inputs[0].role)
        raise UsageError(
            f"this line names no file, but {settings.preset.pipeline} changes one, as in the first",
            f"name one with {{{option}}}, or put lines without files into a file of their own",
            {option: "FILE"},
        )
    wanted = settings.preset.starting_from([role for role, _ in asked.files]).pipeline
    if wanted != settings.preset.pipeline:
        raise UsageError(
            f"this line needs {wanted}, but the first one {settings.preset.pipeline}",
            "put lines with files of other roles into a file of their own",
        )


def _plan(
    settings: Settings, request: Request, sampled: Preset, steps: int
) -> tuple[Plan, StopRule]:
    """Returns the plan of a line that takes so many steps, for the cores that the run has."""
    if steps == settings.plan.steps:
        return settings.plan, settings.stop
    if settings.layout is not None:
        request = replace(as_asked(request, settings.layout), rounds=None)
    elif settings.plan.algo == "sequential":
        request = replace(request, algo="sequential", cores=None)
    if settings.plan.algo != "sequential":
        request = replace(request, cores=min(settings.plan.cores, steps))
    return plan_and_stop(request, sampled)
