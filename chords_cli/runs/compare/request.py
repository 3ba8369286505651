"""The options of a comparison: the arms, and what all of them have in common.

They are declared as those of a run are (`runs.settings.options.request`), and typer reads them
from here.
"""

from dataclasses import dataclass
from typing import Annotated

from chords_cli.runs.settings.options.option import ARMS, Option
from chords_cli.runs.settings.options.request import Request


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareRequest:
    """What the user wants to compare; `base` holds what all arms have in common."""

    base: Request
    arm: Annotated[
        tuple[str, ...],
        Option(
            ARMS,
            "An algorithm with settings of its own; repeatable. Without any: all, and what one"
            " device can do.",
            metavar='"NAME [SETTING=VALUE]..."',
        ),
    ] = ()
    reference: Annotated[
        str | None,
        Option(ARMS, "The arm that others are compared with: sequential by default."),
    ] = None
    repeat: Annotated[
        int, Option(ARMS, "Run every arm this often, after a warm-up, for median and spread.")
    ] = 1
    clip_score: Annotated[
        bool, Option(ARMS, "Also score how well results fit their prompts, with CLIP.")
    ] = False
