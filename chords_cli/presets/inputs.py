"""What a preset says of the pictures and videos that its model starts from.

A file has a role, which is the option that names it: `--mask room.png`. Which argument of the
pipeline takes it is found by name, so a preset only says what names do not tell.
"""

from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from chords_cli.presets.call import Changes, Part
from chords_cli.presets.parts import Text
from chords_cli.presets.roles import Role

_SPECIFIC: tuple[Role, ...] = ("mask", "control", "video", "last-image", "image")
"""The roles, those first that say more about which pipeline is meant."""

PipelineName = Annotated[str, Field(pattern=r"^[A-Z]\w*Pipeline$")]


class InputRule(Part):
    """How the files of one role are taken.

    Attributes:
        argument: The argument of the pipeline's call; if null, it is found by the role.
        several: Whether several files are parts of one result; else only one is allowed.
        required: Whether nothing can be made without one.
    """

    argument: Text | None = Field(default=None, examples=["control_image"])
    several: bool = Field(default=False, examples=[True])
    required: bool = Field(default=True, examples=[False])


Inputs = dict[Role, InputRule]


class Variant(Part):
    """Another pipeline of the same weights, which takes what the preset's own does not.

    Attributes:
        pipeline: Its class in diffusers.
        call: What is different in its call.
        inputs: What is different in its rules.
    """

    pipeline: PipelineName = Field(
        description="the name of a pipeline class of diffusers, ...Pipeline",
        examples=["FluxImg2ImgPipeline"],
    )
    call: Changes = Field(default={}, examples=["{guidance_scale: 7.0}"])
    inputs: Inputs = Field(default={}, examples=["{image: {several: true}}"])


_Named = BeforeValidator(lambda value: {"pipeline": value} if isinstance(value, str) else value)
"""Reads a variant that is written as the name of its pipeline."""

Variants = dict[Role, Annotated[Variant, _Named]]
"""The pipeline for files of a role."""


def choose_variant(variants: Mapping[Role, Variant], given: Collection[str]) -> Variant | None:
    """Returns the variant for the most specific of the roles that are given; None without one."""
    return next((variants[role] for role in _SPECIFIC if role in given and role in variants), None)
