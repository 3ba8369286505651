"""Reads the step cache of an arm: `cache=first-block:threshold=0.1`, or `cache=own`."""

import json
from contextlib import suppress
from typing import Any, Literal

from chords_cli.errors import UsageError, either
from chords_cli.pipelines.load.spec import CACHES, CacheName
from chords_cli.presets.parts import Cache
from chords_cli.presets.schema import Preset

OWN: Literal["own"] = "own"
"""The cache that the arm's preset names."""


def parse_cache(text: str, value: str) -> Cache | Literal["own"]:
    """Reads a cache with its parameters: name=value after colons, lists with commas.

    Args:
        text: The arm.
        value: What the arm sets its cache to.

    Raises:
        UsageError: There is no such cache, or a parameter has no value.
    """
    name, *words = value.split(":")
    if value == OWN:
        return OWN
    known: dict[str, CacheName] = {name: name for name in CACHES}
    if name not in known:
        raise UsageError(
            f"arm {text!r}: cache is {name!r}, but must be {either([*known, OWN])}",
            "leave it out to evaluate every step completely",
        )
    parts = [word.partition("=") for word in words]
    for key, equals, _ in parts:
        if not equals:
            raise UsageError(
                f"arm {text!r}: {key!r} is not a parameter of a cache",
                "write parameters as in cache=first-block:threshold=0.1",
            )
    return Cache(name=known[name], args={key: _parse_value(given) for key, _, given in parts})


def preset_with_cache(preset: Preset, cache: Cache | Literal["own"] | None) -> Preset:
    """Returns a preset with an arm's cache: in a comparison its own is one of the ways to compare.

    Raises:
        UsageError: The arm asks for the preset's own, and it has none.
    """
    if cache == OWN and preset.cache is None:
        raise UsageError(
            f"cache is own, but {preset.name} names none", "name one, as in cache=first-block"
        )
    return preset if cache == OWN else preset.model_copy(update={"cache": cache})


def _parse_value(value: str) -> Any:
    if "," in value:
        return [_parse_value(item) for item in value.split(",") if item]
    with suppress(ValueError):
        return json.loads(value)
    return value
