"""Which roles a preset's pipeline takes files of, and whether those that are named are these."""

from collections.abc import Mapping, Sequence

from chords_cli.errors import UsageError, either
from chords_cli.models.diffusers_source import PipelineClass
from chords_cli.models.inputs import roles
from chords_cli.models.inputs.roles import ARGUMENTS
from chords_cli.presets.roles import Role, option_of
from chords_cli.presets.schema import Preset

_NOUNS: Mapping[Role, str] = {
    "image": "a picture",
    "last-image": "a last picture",
    "control": "a control picture",
    "mask": "a mask",
    "video": "a video",
}


def taken_roles(preset: Preset, pipeline: PipelineClass | None) -> dict[Role, str]:
    """Returns the arguments of a preset's pipeline that take files, by role.

    Args:
        preset: Its rules count.
        pipeline: Its pipeline; None where the source cannot be read, which may take anything.
    """
    every = [one for many in ARGUMENTS.values() for one in many]
    return roles.taken_roles(pipeline.arguments if pipeline else every, preset.inputs)


def takes_frames(argument: str, pipeline: PipelineClass | None) -> bool:
    """Tells whether an argument takes a list of frames; a mask does where a video does."""
    videos = pipeline is not None and "video" in pipeline.arguments
    return "video" in argument or (argument == "mask" and videos)


def check_roles(
    given: Sequence[Role],
    preset: Preset,
    pipeline: PipelineClass | None,
    *,
    complete: bool = True,
) -> dict[Role, str]:
    """Checks that the pipeline takes files of these roles, and so many; returns `taken_roles`.

    Raises:
        UsageError: It does not; or if the files are complete, it cannot do without another.
    """
    taken = taken_roles(preset, pipeline)
    for role in dict.fromkeys(given):
        if role not in taken:
            raise _not_taken(role, preset, list(taken))
        rule, option = preset.inputs.get(role), option_of(role)
        if given.count(role) > 1 and not (rule and rule.several):
            raise UsageError(
                f"{preset.name} takes one {{{option}:name}}, not {given.count(role)}",
                "give one; for several results run it once for each",
                {option: None},
            )
    for role, argument in taken.items():
        rule, option = preset.inputs.get(role), option_of(role)
        needed = rule.required if rule else bool(pipeline and pipeline.arguments[argument])
        if complete and needed and role not in given:
            raise UsageError(
                f"{preset.name} starts from {_NOUNS[role]}, and none is given",
                f"name one with {{{option}}}",
                {option: "FILE"},
            )
    return taken


def _not_taken(role: Role, preset: Preset, taken: Sequence[Role]) -> UsageError:
    """Returns the error for files that a pipeline does not take."""
    option = f"{{{option_of(role)}:name}}"
    others = [f"{{{option_of(other)}:name}}" for other in taken]
    return UsageError(
        f"{preset.name} takes no {option}: {preset.pipeline} starts from "
        + ("other files" if taken else "the prompt alone"),
        f"it takes {either(others)}" if taken else f"leave out {option}, or name another model",
        {option_of(other): None for other in (role, *taken)},
    )
