"""Arms: the ways that a comparison takes, each an algorithm with settings of its own.

An arm is typed as an algorithm followed by `name=value`, as in `chords cores=8 stop_index=2`.
`few-steps` is the sequential algorithm with so few steps that it is as fast as the others.
"""

import difflib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.sampler.choice import ALGORITHMS

FEW_STEPS = "few-steps"
KNOWN = ("sequential", FEW_STEPS, *(name for name in ALGORITHMS if name != "sequential"))
"""What an arm may begin with; also the arms of a comparison that names none."""

SETTINGS: Mapping[str, Callable[[str], Any]] = {
    "model": str,
    "cores": int,
    "steps": int,
    "init_t": str,
    "rounds": int,
    "speedup": float,
    "stop_index": int,
    "stop_residual": float,
    "guidance": float,
    "negative_prompt": str,
    "dtype": str,
    "devices": str,
}
"""What an arm may set, by the names of `Request`, and what its text means."""

SHARED = {"model", "cores", "steps", "guidance", "negative_prompt", "dtype", "devices"}
"""Those of `SETTINGS` that an option of the command sets for all arms."""

_OPTION = re.compile(r"--([a-z-]+[a-z])(?: (\d\S*?|cpu|mps|(?:cuda|xpu)\S*?)(?=,? |,?$))?")
"""An option in a message or hint, and the value that follows it."""

_OF_SEVERAL_CORES = {"init_t", "rounds", "speedup", "stop_residual"}

_KINDS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to make the picture: `said` holds settings by their names in `Request`."""

    name: str
    algo: str
    said: Mapping[str, Any]

    @property
    def on_one_core(self) -> bool:
        """Whether it is stock diffusers on one device."""
        return self.algo in ("sequential", FEW_STEPS)

    def reworded(self, text: str) -> str:
        """What is said of options, such as `--rounds 15`, as an arm writes it: `rounds=15`.

        Options that the command has for all arms stay, where the arm does not set them itself.
        """

        def reword(option: re.Match[str]) -> str:
            key, value = option[1].replace("-", "_"), option[2]
            if key not in SETTINGS or (key in SHARED and key not in self.said):
                return option[0]
            return key if value is None else f"{key}={value}"

        return _OPTION.sub(reword, text).replace("--algo ", "")


def parse_arms(texts: Sequence[str]) -> tuple[Arm, ...]:
    """The arms as typed; all that are known when none is.

    Raises:
        UsageError: One of them is no arm, one comes twice, or there is only one.
    """
    arms = tuple(map(parse_arm, texts or KNOWN))
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"arm {name!r} is given twice", "leave one of them out")
    if len(arms) == 1:
        raise UsageError(
            f"{names[0]!r} is the only arm, but a comparison needs two",
            f"add another, as in --arm {names[0]!r} --arm {_other(names[0])}",
        )
    return arms


def parse_arm(text: str) -> Arm:
    """Reads one arm.

    Raises:
        UsageError: It does not begin with an algorithm, or a setting is wrong.
    """
    words = _split(text)
    if not words:
        raise UsageError("an arm is empty", 'name an algorithm, as in --arm "chords stop_index=2"')
    algo, *settings = words
    if algo not in KNOWN:
        raise UsageError(
            f"arm {text!r} begins with {algo!r}, which is no algorithm",
            f"begin with {_either(difflib.get_close_matches(algo, KNOWN, n=1) or KNOWN)}",
        )
    said = dict(_settings(text, settings))
    for key in said if algo == FEW_STEPS else ():
        if key in _OF_SEVERAL_CORES:
            raise UsageError(
                f"arm {text!r}: {FEW_STEPS} runs on 1 core and takes no {key}",
                "write steps=20 to say how many steps it takes",
            )
    if len(said) < len(settings):
        raise UsageError(f"arm {text!r} sets something twice", "leave one of them out")
    return Arm(" ".join(text.split()), algo, said)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"arm {text!r} cannot be read: {str(error).lower()}", "close its quotes"
        ) from error


def _settings(text: str, words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for word in words:
        key, equals, value = word.partition("=")
        key = key.replace("-", "_").strip("_")
        if not equals:
            raise UsageError(
                f"arm {text!r}: {word!r} is not name=value",
                'write settings as in --arm "chords cores=8 stop_index=2"',
            )
        if key not in SETTINGS:
            near = difflib.get_close_matches(key, SETTINGS, n=1, cutoff=0.75)
            hint = f"an arm may set {', '.join(SETTINGS)}"
            raise UsageError(
                f"arm {text!r}: {key} is not a setting of an arm",
                f"did you mean {near[0]}? {hint}" if near else hint,
            )
        yield key, _value(text, key, value)


def _value(text: str, key: str, value: str) -> Any:
    convert = SETTINGS[key]
    try:
        return convert(value)
    except ValueError:
        raise UsageError(
            f"arm {text!r}: {key} is {value!r}, but must be {_KINDS[convert]}",  # type: ignore[index]
            f"write {key}=4",
        ) from None


def _other(name: str) -> str:
    return "chords" if name.startswith("sequential") else "sequential"


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
