"""What a run starts from: files with their roles, and what the pipeline gets of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chords_cli.errors import verbatim
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.presets.roles import Role, option_of
from chords_cli.presets.schema import Preset

if TYPE_CHECKING:
    from chords_cli.pipelines.conditions.pictures import Medium

Size = tuple[int, int]
"""Width and height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A file that a run starts from.

    Attributes:
        role: What it is for.
        argument: The argument of the pipeline's call that takes it.
        path: Where it is.
        medium: What the pipeline gets.
        size: Width and height of what it shows, upright.
        frames: How many there are; 1 of a picture.
        pace: Frames a second; None of a picture, or where the file does not say.
        notes: Sentences on what is not taken as the file has it.
    """

    role: Role
    argument: str
    path: Path
    medium: "Medium"
    size: Size
    frames: int
    pace: float | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name without its folder, for messages."""
        return verbatim(self.path.name)

    @property
    def option(self) -> str:
        """The option that names it."""
        return option_of(self.role)

    @property
    def shape(self) -> str:
        """Its width and height, for messages."""
        return "x".join(map(str, self.size))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Inputs and the call that they are for.

    Attributes:
        inputs: Each with what of it the pipeline gets.
        call: The arguments of the pipeline's call, without the files.
        notes: Sentences on what follows from the files, and on what of them is left out.
    """

    inputs: tuple[Input, ...]
    call: Arguments
    notes: tuple[str, ...]


def in_call(inputs: Sequence[Input], preset: Preset) -> Arguments:
    """Returns the inputs as arguments of the pipeline's call."""
    call: Arguments = {}
    for one in inputs:
        rule = preset.inputs.get(one.role)
        if rule and rule.several:
            call[one.argument] = (*call.get(one.argument, ()), one.medium)
        else:
            call[one.argument] = one.medium
    return call
