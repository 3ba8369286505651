"""Values that input may hold in the place of those that are meant."""

import math
from typing import Any

from hypothesis import strategies as st

ODD_TEXTS = (
    *("", " ", "\n", "a\nb", "\0", "\x1b[31mred", "\ufeff", "\u202egnp.exe", "e\u0301" * 20),
    *("null", "~", "true", "1e999", "-1", "0x10", "1_000", "NaN", "\u0663", "--help", "-"),
    *("../../x", "/etc/passwd", "CON", "%s", "{cores}", "{{cores}}", "{message}", "$HOME", "~root"),
    *("a" * 300, "a" * 5000, "9" * 5000, "\U0001f600" * 100, "[red]", "[/]", "\\", "'", '"', ":"),
)

texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=20))
"""Text with every character but lone surrogates, which no file in UTF-8 holds."""

whole_numbers = st.one_of(
    st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, -(2**64), 10**30, 10**400, 10**4000]),
    st.integers(-100, 10_000),
)

numbers = st.one_of(
    whole_numbers,
    st.sampled_from([0.0, -0.0, 1e-320, 1e308, math.inf, -math.inf, math.nan]),
    st.floats(width=32),
)

scalars = st.one_of(st.none(), st.booleans(), numbers, texts)

values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A document in which some values are others, are missing, or have odd neighbours."""
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([*_paths(document)]))
        document = _changed(draw, document, path)
    return document


def _paths(document: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    if isinstance(document, dict | list):
        keys = list(document) if isinstance(document, dict) else range(len(document))
        for key in keys:
            yield from _paths(document[key], (*path, key))


def _changed(draw: st.DrawFn, document: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return draw(values) if draw(st.integers(0, 9)) == 0 else document
    key, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    if rest:
        copy[key] = _changed(draw, copy[key], tuple(rest))
        return copy
    match draw(st.sampled_from(["replace", "replace", "same kind", "remove", "add"])):
        case "replace":
            copy[key] = draw(values)
        case "same kind":
            copy[key] = draw(_like(copy[key]))
        case "remove":
            del copy[key]
        case _ if isinstance(copy, dict):
            copy[draw(texts)] = draw(values)
        case _:
            copy.append(draw(values))
    return copy


def _like(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same type, most of which pass a check of types."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return whole_numbers
    if isinstance(value, float):
        return numbers
    return texts if isinstance(value, str) else values


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes of which some are others, missing, repeated or new."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.sampled_from([0, 1, 2, 4, 8, 64, 4096]))
        match draw(st.sampled_from(["cut", "flip", "write", "remove", "repeat"])):
            case "cut":
                data = data[:at]
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
            case "write":
                new = draw(st.binary(max_size=8))
                data = data[:at] + new + data[at + len(new) :]
            case "remove":
                data = data[:at] + data[at + size :]
            case _:
                data = data[: at + size] + data[at:]
    return data
