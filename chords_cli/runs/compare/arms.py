"""Reads arms: the ways that a comparison compares, each an algorithm with its own settings.

An arm is typed as an algorithm followed by `name=value`, as in `chords cores=8 stop_index=2`.
`few-steps` is the sequential algorithm with so few steps that it is as fast as the others, and
`scheduler=unipc` gives an arm's model another sampler, `cache=first-block` a step cache.
"""

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from chords_cli.errors import Spell, UsageError, either, verbatim
from chords_cli.models.counterparts import SAMPLERS
from chords_cli.presets.parts import Cache
from chords_cli.records.recipe import PresetKey
from chords_cli.runs.compare.caches import parse_cache
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.request import Request
from chords_cli.sampler.choice import ALGORITHMS

FEW_STEPS = "few-steps"
KNOWN = ("sequential", FEW_STEPS, *(name for name in ALGORITHMS if name != "sequential"))
"""The words that an arm may begin with."""

DEFAULT_ARMS = (
    "sequential",
    FEW_STEPS,
    *(f"{FEW_STEPS} scheduler={name}" for name in SAMPLERS),
    "wavefront cores=1",
    "chords",
    "wavefront",
)
"""The arms of a comparison that names none: what is exact, one device's best, and several cores."""

SCHEDULER = "scheduler"
"""The setting of an arm that gives its model another sampler."""

CACHE = "cache"
"""The setting of an arm that gives its model a step cache."""

SETTINGS: Mapping[str, type] = {
    name: next((kind for kind in (bool, int, float) if kind in get_args(annotation)), str)
    for name, (annotation, option) in options_of(Request).items()
    if option.compare in ("arm", "both")
} | {SCHEDULER: str, CACHE: str}
"""What an arm may set and the type of its value; all but the last two are of a `Request`."""

_FOR_ALL_ARMS = {
    name for name, (_, option) in options_of(Request).items() if option.compare == "both"
}
"""Those of `SETTINGS` that an option of the command can set for all arms."""

_FOR_SEVERAL_CORES = {"init_t", "rounds", "speedup", "stop_residual"}

_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """One way to make the picture, as typed.

    Attributes:
        given: Its settings by their `Request` names.
        scheduler: A name of `SAMPLERS`; None for the model's own.
        cache: A step cache, or `own` for the preset's; None for none at all.
    """

    name: str
    algo: str
    given: Mapping[str, Any]
    scheduler: str | None = None
    cache: Cache | Literal["own"] | None = None

    @property
    def on_one_core(self) -> bool:
        """Whether the arm is stock diffusers on one device."""
        return self.algo in ("sequential", FEW_STEPS)

    @property
    def preset_keys(self) -> tuple[PresetKey, ...]:
        """The keys of the preset that the arm sets; it has no cache unless it asks for one."""
        scheduler: tuple[PresetKey, ...] = () if self.scheduler is None else ("scheduler",)
        return scheduler if self.cache == "own" else (*scheduler, "cache")

    @property
    def keeps_pace(self) -> bool:
        """Whether it evaluates the model as often in a row as the fastest arm on several cores."""
        if self.algo == FEW_STEPS:
            return "steps" not in self.given
        paced = {"rounds", "speedup"} & self.given.keys()
        return self.algo == "wavefront" and self.given.get("cores") == 1 and not paced


class ArmError(UsageError):
    """Says what is wrong with an arm; writes its options as an arm does: `rounds=15`.

    An option that the command has for all arms is written as the command's, unless the arm sets it
    itself.
    """

    def __init__(self, arm: ArmSpec, error: UsageError) -> None:
        super().__init__(f"arm {arm.name!r}: {error.message}", error.hint)
        self._arm, self._error = arm, error

    def __reduce__(self) -> tuple[type["ArmError"], tuple[ArmSpec, UsageError]]:  # type: ignore[override]
        return type(self), (self._arm, self._error)

    def spelled(self, spell: Spell) -> tuple[str, str]:
        """Returns message and hint, with the command's options written by `spell`."""

        def write(name: str, value: Any = None) -> str:
            if name == "algo" and value is not None:
                return str(value)
            if name not in SETTINGS or (name in _FOR_ALL_ARMS and name not in self._arm.given):
                return spell(name, value)
            text = f"{value:g}" if isinstance(value, float) else value
            text = str(value).lower() if isinstance(value, bool) else text
            return name if value is None else f"{name}={text}"

        message, hint = self._error.spelled(write)
        return f"arm {self._arm.name!r}: {message}", hint


def parse_arms(texts: Sequence[str]) -> tuple[ArmSpec, ...]:
    """Reads arms as they are typed; without any, takes those of `DEFAULT_ARMS`.

    Raises:
        UsageError: An arm is wrong, one is given twice, or there is only one.
    """
    arms = tuple(map(parse_arm, texts or DEFAULT_ARMS))
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"arm {name!r} is given twice", "leave one of them out")
    if len(arms) == 1:
        raise UsageError(
            f"{verbatim(repr(names[0]))} is the only arm, but a comparison needs two",
            f"add another, as in {{arm:name}} {verbatim(repr(names[0]))} {{arm}}",
            {"arm": "chords" if names[0].startswith("sequential") else "sequential"},
        )
    return arms


def parse_arm(text: str) -> ArmSpec:
    """Reads one arm.

    Raises:
        UsageError: It does not begin with an algorithm, or a setting is wrong.
    """
    words = _split_words(text)
    if not words:
        raise UsageError(
            "an arm is empty", 'name an algorithm, as in {arm} "chords stop_index=2"', {"arm": None}
        )
    algo, *settings = words
    if algo not in KNOWN:
        raise UsageError(
            f"arm {text!r} begins with {algo!r}, which is no algorithm",
            f"begin with {either(difflib.get_close_matches(algo, KNOWN, n=1) or KNOWN)}",
        )
    given = dict(_parse_settings(text, settings))
    for key in given if algo == FEW_STEPS else ():
        if key in _FOR_SEVERAL_CORES:
            raise UsageError(
                f"arm {text!r}: {FEW_STEPS} runs on 1 core and takes no {key}",
                "write steps=20 to say how many steps it takes",
            )
    if len(given) < len(settings):
        raise UsageError(f"arm {text!r} sets something twice", "leave one of them out")
    scheduler, cache = given.pop(SCHEDULER, None), given.pop(CACHE, None)
    return ArmSpec(" ".join(text.split()), algo, given, scheduler, cache)


def _split_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"arm {text!r} cannot be read: {str(error).lower()}", "close its quotes"
        ) from error


def _parse_settings(text: str, words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for word in words:
        key, equals, value = word.partition("=")
        key = key.replace("-", "_").strip("_")
        if not equals and SETTINGS.get(key) is bool:
            equals, value = "=", "true"
        if not equals:
            raise UsageError(
                f"arm {verbatim(repr(text))}: {verbatim(repr(word))} is not name=value",
                'write settings as in {arm} "chords cores=8 stop_index=2"',
                {"arm": None},
            )
        if key not in SETTINGS:
            near = difflib.get_close_matches(key, SETTINGS, n=1, cutoff=0.75)
            hint = f"an arm may set {', '.join(SETTINGS)}"
            raise UsageError(
                f"arm {text!r}: {key} is not a setting of an arm",
                f"did you mean {near[0]}? {hint}" if near else hint,
            )
        if key == SCHEDULER and value not in SAMPLERS:
            raise UsageError(
                f"arm {text!r}: scheduler is {value!r}, but must be {either([*SAMPLERS])}",
                "leave it out for the model's own",
            )
        yield key, parse_cache(text, value) if key == CACHE else _parse_value(text, key, value)


def _parse_value(text: str, key: str, value: str) -> Any:
    convert = SETTINGS[key]
    try:
        return _TRUTH[value] if convert is bool else convert(value)
    except (KeyError, ValueError):
        raise UsageError(
            f"arm {text!r}: {key} is {value!r}, but must be {_KINDS[convert]}",  # type: ignore[index]
            f"write {key}={'true' if convert is bool else 4}",
        ) from None
