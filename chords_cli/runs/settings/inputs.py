"""From the files that a run starts from to its pipeline's call, and to the steps that are left."""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from chords_cli.errors import PlanError, UsageError, verbatim
from chords_cli.models.fit import check_pipeline
from chords_cli.models.inputs.strength import steps_taken, strength_of
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.call import STEPS
from chords_cli.presets.roles import Role, option_of
from chords_cli.presets.schema import Preset
from chords_cli.runs.inputs.fitting import fit_inputs
from chords_cli.runs.inputs.inputs import Input
from chords_cli.runs.inputs.reading import read_inputs
from chords_cli.runs.inputs.roles import taken_roles
from chords_cli.runs.settings.options.request import Request

_OTHER_PACE = 0.05
"""From this part of a difference in frames a second on, it is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """What a run starts from, and what that leaves to do.

    Attributes:
        inputs: The files, with what of each the pipeline gets.
        call: The arguments of the pipeline's call, without the files.
        steps: How many steps of the grid are taken.
        shortened: Why these are fewer than the grid has; None where all are taken.
        notes: What the user should know of the files and the steps.
        missing: The arguments of files that are named later.
    """

    inputs: tuple[Input, ...]
    call: Arguments
    steps: int
    shortened: str | None
    notes: tuple[str, ...]
    missing: tuple[str, ...] = ()

    def apply(self, request: Request) -> Request:
        """Returns the request for the steps that are taken, of which the plan is made."""
        return request if self.shortened is None else replace(request, steps=self.steps)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Says in errors of the plan why it has fewer steps than the grid."""
        try:
            yield
        except PlanError as error:
            if self.shortened is None:
                raise
            raise error.reworded(f"{self.shortened}, and {{message}}") from error


def begin_from(
    request: Request, preset: Preset, call: Arguments, *, complete: bool = True
) -> Beginning:
    """Reads the files of a request and tells what its strength leaves to do.

    Args:
        request: What the user asks for.
        preset: With the pipeline that takes files of these roles.
        call: The arguments of the pipeline's call, without a strength that the user gives.
        complete: Whether the request names all files; else further ones are named later.

    Raises:
        UsageError: A file is wrong, or missing, or the strength is.
    """
    pipeline = check_pipeline(preset)
    inputs = read_inputs(request.files, preset, pipeline, complete=complete)
    if request.strength is not None:
        call = call | _strength(request.strength, preset, starts=bool(inputs))
    fitted = fit_inputs(
        inputs,
        preset,
        pipeline,
        call,
        width=request.width,
        height=request.height,
        frames=request.frames,
    )
    starts = bool(inputs) or not call.keys().isdisjoint(("image", "video"))
    paced = _note_pace(fitted.inputs, request.fps or preset.fps)
    taken, shortened = int(call[STEPS]), None
    roles = taken_roles(preset, pipeline)
    if complete or starts:
        taken, shortened = _steps(preset, fitted.call, roles, starts=starts)
    return Beginning(
        inputs=fitted.inputs,
        call=fitted.call,
        steps=taken,
        shortened=shortened,
        notes=(*fitted.notes, *(note for note in (paced, shortened) if note)),
        missing=() if complete else tuple(roles.values()),
    )


def _note_pace(inputs: Sequence[Input], fps: int | None) -> str | None:
    """Says that a result, which has a frame for each of a video's, plays at another pace."""
    videos = [one for one in inputs if one.medium.several_frames and one.frames > 1]
    one = min(videos, key=lambda one: one.frames, default=None)
    if not (one and fps and one.pace) or abs(one.pace / fps - 1) < _OTHER_PACE:
        return None
    return (
        f"{one.path.name} has {one.pace:.3g} frames a second, the result {fps}: "
        f"--fps {round(one.pace)} keeps its pace"
    )


def _strength(strength: float, preset: Preset, *, starts: bool) -> Arguments:
    """Returns the argument of the call that is the strength which the user gives."""
    if type(strength) not in (int, float):  # a picture's metadata may hold anything
        raise UsageError(
            f"strength is {verbatim(repr(strength)[:60])}, no number",
            "try {strength}",
            {"strength": 0.7},
        )
    if not (math.isfinite(strength) and 0 < strength <= 1):
        raise UsageError(
            f"strength is {strength:g}, but must be above 0 and at most 1, which is all new",
            "try {strength}",
            {"strength": strength / 100 if 10 <= strength <= 100 else 0.7},
        )
    if not starts:
        raise UsageError(
            f"strength is {strength:g}, but the run starts from no picture",
            "name one with {image}, or leave out {strength:name}",
            {"strength": strength, "image": "FILE"},
        )
    found = strength_of(preset.pipeline)
    if found is None:
        raise UsageError(
            f"strength is {strength:g}, but {preset.name} takes none: {preset.pipeline} takes every"
            " step, whatever it starts from",
            "leave out the strength",
        )
    return {found.argument: strength}


def _steps(
    preset: Preset, call: Arguments, roles: Collection[Role], *, starts: bool
) -> tuple[int, str | None]:
    """Returns how many steps are taken, and why they are fewer than the grid has."""
    steps, found = int(call[STEPS]), strength_of(preset.pipeline)
    taken = steps_taken(preset.pipeline, call)
    if found is None or taken == steps:
        return steps, None
    if not starts:
        option = option_of(next(iter(roles), "image"))
        raise UsageError(
            f"{preset.name} changes what it is given, and starts from no file",
            f"name one with {{{option}}}",
            {option: "FILE"},
        )
    of = f"strength {call.get(found.argument, found.default):g}"
    of += "" if found.argument in call else f", {preset.pipeline}'s own,"
    if taken < 1 <= steps:
        raise UsageError(
            f"{of} of {steps} steps leaves none to take",
            "raise {strength} or {steps}",
            {"strength": None, "steps": None},
        )
    return taken, f"{of} leaves {taken} of {steps} steps"
