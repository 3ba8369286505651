"""The options that name what a run starts from: pictures and videos, each with its role."""

from dataclasses import dataclass
from typing import Annotated

from chords_cli.presets.roles import ROLES, Role, option_of
from chords_cli.runs.inputs.files import File
from chords_cli.runs.settings.options.option import INPUTS, Option
from chords_cli.runs.settings.options.run_options import RunOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class InputOptions(RunOptions):
    """One option a role; which argument of the pipeline takes its file is found by the role."""

    image: Annotated[
        tuple[File, ...],
        Option(
            INPUTS,
            "Start from this picture; repeatable where a model takes several. A number after it is"
            " the strength.",
            metavar="FILE [STRENGTH]",
            number=True,
            compare="all",
        ),
    ] = ()
    last_image: Annotated[
        File | None,
        Option(
            INPUTS,
            "The picture that a video ends with.",
            metavar="FILE",
            video=True,
            compare="all",
        ),
    ] = None
    mask: Annotated[
        File | None,
        Option(
            INPUTS,
            "What is changed: white, in a picture as large as the image.",
            metavar="FILE",
            compare="all",
        ),
    ] = None
    control: Annotated[
        File | None,
        Option(
            INPUTS,
            "What the result follows: edges, depth or whatever the model was trained with.",
            metavar="FILE",
            compare="all",
        ),
    ] = None
    video: Annotated[
        File | None,
        Option(
            INPUTS,
            "Start from this video. A number after it is the strength.",
            metavar="FILE [STRENGTH]",
            video=True,
            number=True,
            compare="all",
        ),
    ] = None
    strength: Annotated[
        float | None,
        Option(
            INPUTS,
            "How much of the picture or video is changed: 1 is all of it.",
            call="strength",
            compare="both",
        ),
    ] = None

    @property
    def files(self) -> tuple[tuple[Role, File], ...]:
        """The files to start from with their roles, those of one role as they are given."""
        given = {role: getattr(self, option_of(role)) for role in ROLES}
        listed = {role: one if isinstance(one, tuple) else (one,) for role, one in given.items()}
        return tuple(
            (role, file) for role, files in listed.items() for file in files if file is not None
        )
