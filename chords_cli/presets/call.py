"""What a preset's `call` may contain: its guidance, its sizes, and the limits of the sizes.

Pipelines have two arguments for guidance. If a call has both, `true_cfg_scale` is the guidance: the
other one is then an input of a model that was trained to be told its guidance.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from chords_cli.errors import UsageError, check_all
from chords_cli.pipelines.load.spec import Arguments

GUIDANCE = ("true_cfg_scale", "guidance_scale")
"""The arguments that can be the guidance; the first of them that a call has is the guidance."""

_TOLD = ("Flux", "HunyuanVideo", "HunyuanSkyreels", "QwenImage")
"""How pipelines begin whose `guidance_scale` is an input of the model, not a second call of it."""

_GUIDED = ("Flux2KleinPipeline", "Flux2KleinInpaint", "HunyuanVideo15")
"""How those of them begin that call their model twice all the same."""

_USUAL_GUIDANCE = 4.0

RESERVED = {"prompt", "generator", "latents", "output_type", "return_dict", "num_images_per_prompt"}
"""Arguments of a pipeline's call that every run sets itself."""

STEPS = "num_inference_steps"
"""The argument that every call has."""

SIZES = ("width", "height", "num_frames")
"""Arguments that count pixels and frames."""


def guidance_key(call: Mapping[str, Any]) -> str | None:
    """Returns the name of the argument that is the guidance; None if `call` has none."""
    return next((key for key in GUIDANCE if key in call), None)


def guidance_of(call: Mapping[str, Any]) -> float | None:
    """Returns the guidance of `call`; None if it has none."""
    key = guidance_key(call)
    return None if key is None else call[key]


def true_guidance(pipeline: str, call: Mapping[str, Any]) -> float:
    """Returns the guidance for which the model is called twice a step; 1 if it is called once.

    Args:
        pipeline: The pipeline's class.
        call: Its arguments; where they name no guidance, the pipeline's own is taken for usual.
    """
    key = guidance_key(call)
    told = pipeline.startswith(_TOLD) and not pipeline.startswith(_GUIDED)
    told = told and key != GUIDANCE[0]
    if told or (key and call[key] is None):
        return 1.0
    return max(1.0, float(call[key])) if key else _USUAL_GUIDANCE


def is_guided_twice(pipeline: str, call: Mapping[str, Any]) -> bool:
    """Tells whether both halves of guidance are computed in a step, as far as the call tells.

    Where `true_cfg_scale` is the guidance, it guides only away from a negative prompt.
    """
    true = guidance_key(call) == GUIDANCE[0]
    away = not true or call.get("negative_prompt") is not None
    return away and true_guidance(pipeline, call) > 1


def with_guidance(call: Mapping[str, Any], guidance: float) -> Arguments:
    """Returns `call` with another guidance; `guidance_scale` is added if it had none."""
    return {**call, guidance_key(call) or GUIDANCE[-1]: guidance}


def is_guidance(number: float) -> bool:
    """Tells whether a number can be a guidance: finite, and 0 or more."""
    return math.isfinite(number) and number >= 0


def check_scalar(value: Any) -> Any:
    """Checks that a value can be an argument of diffusers in a preset; returns it."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float | bool | None) for part in parts):
        raise ValueError("text, a number, true, false, null or a list of these")
    return value


def _check_size(value: Any) -> Any:
    """Checks that a size is a whole number or None; returns it."""
    if value is not None and type(value) is not int:
        raise ValueError("a whole number")
    return value


def _refuse(value: Any) -> Any:
    """Refuses an argument that every run sets."""
    raise ValueError("left out: every run sets it itself")


def _check_guidance(value: Any) -> Any:
    """Checks that a value can be a guidance or is None; returns it."""
    if value is None or (type(value) in (int, float) and is_guidance(value)):
        return value
    negative = type(value) in (int, float) and math.isfinite(value)
    raise ValueError("at least 0" if negative else "a finite number")


class _CallSchema:
    """Has sizes, guidance and steps checked as numbers, and all other arguments as scalars.

    Each argument is checked under its own key, so that an error names the key.

    Args:
        complete: Whether the steps have to be among them.
    """

    def __init__(self, *, complete: bool) -> None:
        self._complete = complete

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def checked(check: Callable[[Any], Any]) -> core_schema.CoreSchema:
            return core_schema.no_info_plain_validator_function(check)

        # in the order in which presets and records show them
        checks = dict.fromkeys(SIZES, _check_size)
        checks |= dict.fromkeys(reversed(GUIDANCE), _check_guidance)
        schemas = {key: checked(check) for key, check in checks.items()}
        schemas[STEPS] = core_schema.int_schema(strict=True, ge=1)
        schemas |= dict.fromkeys(sorted(RESERVED), checked(_refuse))
        return core_schema.typed_dict_schema(
            {
                key: core_schema.typed_dict_field(schema, required=self._complete and key == STEPS)
                for key, schema in schemas.items()
            },
            extras_schema=checked(check_scalar),
            extra_behavior="allow",
        )


Call = Annotated[Arguments, _CallSchema(complete=True)]
"""The arguments of a pipeline's call that a preset gives."""

Changes = Annotated[Arguments, _CallSchema(complete=False)]
"""Those of another pipeline's call that are not the preset's."""


class Part(BaseModel):
    """A mapping inside a preset."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FrameRule(Part):
    """Allows `multiple` * n + `offset` frames."""

    multiple: Annotated[int, Field(ge=1)] = Field(examples=[4])
    offset: Annotated[int, Field(ge=0)] = Field(default=0, examples=[1])


class Limits(Part):
    """The sizes that the pipeline allows, checked before anything is loaded."""

    size_multiple: Annotated[int, Field(ge=1)] = Field(default=1, examples=[16])
    frames: FrameRule | None = Field(default=None, examples=["{multiple: 4, offset: 1}"])

    def check(
        self, *, width: int | None = None, height: int | None = None, frames: int | None = None
    ) -> None:
        """Checks that the pipeline allows these sizes; None is always allowed.

        Raises:
            UsageError: A size is not allowed; the hint names the nearest ones to the first that is
                not.
        """
        rule = self.frames or FrameRule(multiple=1)
        check_all(
            partial(_check_multiple, "width", width, self.size_multiple, 0),
            partial(_check_multiple, "height", height, self.size_multiple, 0),
            partial(_check_multiple, "frames", frames, rule.multiple, rule.offset),
        )


def _check_multiple(name: str, size: int | None, multiple: int, offset: int) -> None:
    """Refuses a size that is not `multiple` * n + `offset`, or not above 0."""
    if size is None or (size > 0 and size % multiple == offset % multiple):
        return
    below = max((size - offset) // multiple * multiple + offset, offset or multiple)
    rule = f"a multiple of {multiple}" + (f" plus {offset}" if offset else "")
    if size <= 0:
        takes = "must be above 0" + (f" and {rule}" if multiple > 1 else "")
    else:
        takes = f"this model takes {rule}"
    raise UsageError(
        f"{name} is {size}, but {takes}", f"try {{{name}}}", {name: [below, below + multiple]}
    )
