"""What an option is: how it is offered to users, and how its value is used."""

from dataclasses import dataclass, fields
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_type_hints

from chords_cli.errors import UsageError

MODEL, INPUTS, ARMS, PLAN, PICTURE, OUTPUT, SOURCE, MACHINE, SHOWN = (
    "Model and prompts",
    "Start from",
    "Arms: the ways that are compared",
    "Plan: how cores share the work",
    "Picture",
    "Output",
    "Hub and cache",
    "Machine",
    "What is shown",
)
"""The groups in which options are listed, in order."""


@dataclass(frozen=True, slots=True)
class Option:
    """How an option is offered to users, and how its value is used.

    Attributes:
        group: The group that lists it in `--help`; None for an argument without a flag.
        help: What it is for, in one line.
        flags: How it is typed, such as `--cores/-k`; empty for its name with dashes.
        metavar: The placeholder for its value in `--help`.
        completion: What the shell completes its value from: `models`, `devices` or nothing.
        number: Whether a number may follow its value, as in `--image sketch.png 0.7`.
        call: The argument of the pipeline's call that it sets; `guidance` for the argument that is
            the preset's guidance.
        video: Whether only videos have it.
        preset: Whether the preset's value is used if none is given.
        pixels: Whether it determines pixels or frame rate, although it is part of neither plan nor
            call; recipes then contain it.
        compare: Whether `chords compare` takes it for `all` arms, an `arm` sets it, or `both`.
        least: The smallest value that is allowed.
        most: The largest one.
    """

    group: str | None
    help: str
    flags: str = ""
    metavar: str | None = None
    completion: Literal["models", "devices"] | None = None
    number: bool = False
    call: str | None = None
    video: bool = False
    preset: bool = False
    pixels: bool = False
    compare: Literal["all", "arm", "both"] | None = None
    least: int | None = None
    most: int | None = None


@cache
def options_of(declaration: type) -> dict[str, tuple[Any, Option]]:
    """Returns the type and the option of every annotated field, in the order of `--help`.

    Args:
        declaration: A dataclass; its own fields come before those that it inherits.
    """
    hints = get_type_hints(declaration, include_extras=True)
    own = [name for name in declaration.__annotations__ if name in hints]
    inherited = [field.name for field in fields(declaration) if field.name not in own]
    annotations = {name: get_args(hints[name]) for name in (*own, *inherited)}
    return {
        name: (parts[0], parts[1])
        for name, parts in annotations.items()
        if len(parts) > 1 and isinstance(parts[1], Option)
    }


def check_value(name: str, value: Any, annotation: Any) -> Any:
    """Checks the type of an option's value that did not come from a command line; returns it.

    Raises:
        UsageError: The value has another type than the option.
    """
    from pydantic import TypeAdapter, ValidationError

    if isinstance(value, Real) and not isinstance(value, int | float):  # a number of NumPy's
        value = int(value) if isinstance(value, Integral) else float(value)
    try:
        return TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].lower()
        raise UsageError(f"{name} is {value!r}: {reason}", "write a value of that type") from error
