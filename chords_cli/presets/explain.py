"""Explains what is wrong with a preset: which key, which value, and what is allowed there."""

import difflib
import json
import typing
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from chords_cli.errors import UsageError
from chords_cli.presets.schema import Preset

_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "tuple_type": "a list",
    "path_type": "a folder",
    "path_invalid": "a folder",
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than": "below {lt}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "{description}",
    "value_error": "{error}",
}
"""What is allowed, by pydantic's type of error; `{description}` is the schema's description of the
key, and the other names in braces are pydantic's values."""

Loc = tuple[int | str, ...]


def explain(origin: str, error: ValidationError) -> UsageError:
    """Returns an error that lists all problems; its hint is about the first one.

    Unknown keys come first: a misspelled key is the reason why another one is missing.
    """
    details = error.errors(include_url=False)
    details.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    problems = [_explain_problem(problem) for problem in details]
    messages = "; ".join(dict.fromkeys(message for message, _ in problems))
    return UsageError(f"{origin}: {messages}", problems[0][1])


def _explain_problem(error: ErrorDetails) -> tuple[str, str]:
    """Returns message and hint for one problem."""
    kind, loc, value = error["type"], error["loc"], error["input"]
    if not loc:  # text that is no Unicode
        return error["msg"], "write it as `chords presets demo-image` does"
    key = _dotted(loc)
    if kind == "extra_forbidden":
        return _explain_unknown_key(loc, f" (its value is {format_value(value)})")
    if kind == "literal_error" and loc[-1] == "[key]":
        return _explain_unknown_key(loc[:-1])
    if kind == "missing":
        return f"{key} is missing", f"add {_example(loc)}"
    if kind == "invalid_key" or loc[-1] == "[key]":
        return f"the key {format_value(loc[-1 if kind == 'invalid_key' else -2])} is not text", (
            "put it in quotes, or leave it out"
        )
    field = _field(loc)
    description = (field and field.description) or ""
    template = _KINDS.get(kind, error["msg"])
    allowed = template.format(**error.get("ctx", {}), description=description)
    return f"{key} is {format_value(value)}, but must be {allowed}", f"write {_example(loc)}"


def _explain_unknown_key(loc: Loc, value: str = "") -> tuple[str, str]:
    """Returns message and hint for a key that the schema does not have."""
    part = _type_at(loc[:-1])
    allowed = list(_keys(part) or typing.get_args(typing.get_args(part)[0]))
    near = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
    message = f"{_dotted(loc)} is not a key of presets{value}"
    choice = f"allowed here: {', '.join(allowed)}"
    return message, f"did you mean {near[0]}? {choice}" if near else choice


def _type_at(loc: Loc) -> Any:
    """Returns the annotation of the schema at `loc`."""
    annotation: Any = Preset
    for key in loc:
        if _is_part(annotation):
            annotation = _unwrap(_keys(annotation)[str(key)].annotation)
        else:
            arguments = typing.get_args(annotation)  # of a tuple the last one is an ellipsis
            annotation = _unwrap(arguments[-1] if arguments[-1] is not ... else arguments[0])
    return annotation


def _unwrap(annotation: Any) -> Any:
    """Returns an annotation without `| None` and `Annotated`."""
    while typing.get_origin(annotation) not in (None, dict, tuple):
        options = [option for option in typing.get_args(annotation) if option is not type(None)]
        annotation = options[0] if options else None
    return annotation


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _keys(annotation: Any) -> dict[str, FieldInfo]:
    """Returns the fields of a part of the schema by their names in YAML."""
    fields = annotation.model_fields.items() if _is_part(annotation) else ()
    return {field.alias or name: field for name, field in fields}


def _field(loc: Loc) -> FieldInfo | None:
    """Returns the field of the schema at `loc`; None for items of lists and of mappings."""
    return _keys(_type_at(loc[:-1])).get(str(loc[-1]))


def _example(loc: Loc) -> str:
    """Returns what to write at `loc`: its own example, or that of the part that contains it."""
    while loc:
        field = _field(loc)
        if field and field.examples:
            value = field.examples[0]
            text = str(value).lower() if isinstance(value, bool) else str(value)
            return f"{_dotted(loc)}: {text}"
        loc = loc[:-1]
    return "a mapping of keys"


def _dotted(loc: Loc) -> str:
    """Writes `("prompts", 0)` as `prompts[0]` and `("sampling", "cores")` as `sampling.cores`."""
    keys = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in loc)
    return "".join(keys).lstrip(".")


def format_value(value: Any) -> str:
    """Writes a value as YAML does; cuts it off if it is long."""
    text = repr(value) if value not in (None, True, False) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
