"""Finds preset files by name or path, reads them and checks them. The only reader of YAML."""

import difflib
import re
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import platformdirs
import yaml
from pydantic import ValidationError

from chords_cli.errors import UsageError, check_all, either, verbatim
from chords_cli.presets.explain import explain
from chords_cli.presets.parts import PLACE
from chords_cli.presets.paths import TooLargeError, read_at_most
from chords_cli.presets.schema import Preset
from chords_cli.sampler.choice import PlanChoice, resolve_plan

DEFAULT = {"image": "demo-image", "video": "demo-video"}
"""The built-in model for each kind of result."""

_EXPONENT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
"""Numbers such as 1e-3, which are text in YAML 1.1."""


@dataclass(frozen=True, slots=True)
class PresetFile:
    """A preset that can be used by its name."""

    name: str
    file: Path
    origin: Literal["shipped", "user"]


def available_presets() -> list[PresetFile]:
    """Lists all presets by name; a user's preset hides the shipped one of the same name."""
    package, found = Path(__file__).parents[1], {}
    shipped = package / "_presets"  # in a wheel
    if not shipped.is_dir():
        shipped = package.parent / "presets"
    folders: list[tuple[Path, Literal["shipped", "user"]]] = [(shipped, "shipped")]
    with suppress(RuntimeError):  # a user without a home has no presets of their own
        folders.append((user_folder(), "user"))
    for folder, origin in folders:
        with suppress(OSError):  # a folder of one's own may not be readable
            for file in (*folder.glob("*.yaml"), *folder.glob("*.yml")):
                found[file.stem] = PresetFile(file.stem, file, origin)
    return [found[name] for name in sorted(found)]


def model_or_default(name: str | None, kind: Literal["image", "video"] = "image") -> str:
    """Returns a model's name as it was given, or the built-in one's where none was."""
    return DEFAULT[kind] if name is None else name


def user_folder() -> Path:
    """Returns the folder of a user's own presets."""
    return Path(platformdirs.user_config_dir("chords")) / "presets"


def find_preset(name_or_file: str) -> Preset:
    """Loads the preset with that name, or a file if `name_or_file` ends in `.yaml` or has a slash.

    Raises:
        UsageError: The preset does not exist or is wrong.
    """
    if name_or_file.endswith((".yaml", ".yml")) or "/" in name_or_file:
        return load_preset(Path(name_or_file))
    files = {preset.name: preset.file for preset in available_presets()}
    if name_or_file in files:
        return load_preset(files[name_or_file])
    raise UsageError(
        f"unknown model {verbatim(repr(name_or_file))}",
        f"{_nearest(name_or_file, list(files))}`chords presets` lists all; "
        "a file name ends in .yaml",
    )


def presets_of(repository: str) -> list[str]:
    """Returns the presets whose model is in that repository; its owner may be left out."""
    wanted, found = repository.lower(), []
    for preset in available_presets():
        with suppress(UsageError):  # what is wrong with it is told to who uses it
            repo = (load_preset(preset.file).repo or "").lower()
            if repo and wanted in (repo, repo.partition("/")[2]):
                found.append(preset.name)
    return found


def load_preset(path: Path) -> Preset:
    """Reads and checks a preset file.

    Raises:
        UsageError: The file cannot be read, or a key is wrong; says which, and what is allowed.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        content = "nothing" if data is None else "a list" if isinstance(data, list) else "one value"
        raise UsageError(
            f"{path}: holds {content}, but a preset is a mapping of keys",
            "start from a shipped one: `chords presets demo-image > my.yaml`",
        )
    return check_preset(data, str(path)).in_folder(path.parent)


def check_preset(data: object, origin: str) -> Preset:
    """Checks the keys of a preset, one by one and together; returns the preset.

    Args:
        data: The keys with their values.
        origin: The file that they come from, or the model if it has no file.

    Raises:
        UsageError: A key is wrong; says which, and what is allowed.
    """
    try:
        preset = Preset.model_validate(data)
    except ValidationError as error:
        raise explain(origin, error) from error
    _check_together(origin, preset)
    return preset


def to_yaml(preset: Preset) -> str:
    """Writes a preset with all its defaults, so that it can be loaded again."""
    data = preset.model_dump(mode="json", by_alias=True)
    for part in (
        *data["components"].values(),
        *data["adapters"],
    ):  # most have no place of their own
        for key in [key for key in PLACE & part.keys() if part[key] is None]:
            del part[key]
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=88)


_LARGEST = 1_000_000
"""Bytes of a file that is read: a shipped preset has a few thousand."""


_DEEPEST, _MOST_VALUES, _MOST_DIGITS = 20, 200_000, 100
"""What is read: how deep, how many values once aliases are written out, how long a number."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a repeated key is an error, and which is never larger than it looks."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node and _count(node, {}) > _MOST_VALUES:
            raise _refusal(node, f"it holds more than {_MOST_VALUES:,} values")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise _refusal(key_node, f"key {key!r} comes twice")
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        number = node.tag.endswith((":int", ":float"))
        if number and len(node.value) > _MOST_DIGITS:
            raise _refusal(node, f"a number of {len(node.value)} characters is too long")
        return super().construct_scalar(node)


def _count(node: yaml.Node, known: dict[int, int], depth: int = 0) -> int:
    """Counts the values of a node as if its aliases were written out."""
    if depth > _DEEPEST:
        raise _refusal(node, "it is nested too deeply, or within itself")
    if id(node) not in known:
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        inner = [one for part in parts for one in (part if type(part) is tuple else (part,))]
        known[id(node)] = 1 + sum(_count(one, known, depth + 1) for one in inner)
    return known[id(node)]


def _refusal(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


class _Dumper(yaml.SafeDumper):
    """Writes lists of numbers on one line, and sections as blocks."""

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        flow = all(isinstance(item, int | float) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flow)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))
_Dumper.add_representer(list, _Dumper.represent_list)


_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError)
"""What PyYAML raises besides its own errors, for dates that do not exist and the like."""


def read_yaml(path: Path, what: str = "preset file") -> Any:
    """Reads a file; the error says what to do if it cannot be read."""
    try:
        text = read_at_most(path, _LARGEST, streams=True).decode()
        return yaml.load(text, Loader=_Loader)
    except TooLargeError as error:  # whose parsing takes long
        raise UsageError(
            f"{what} {verbatim(path)} has more than {_LARGEST:,} bytes", "name another .yaml file"
        ) from error
    except FileNotFoundError:
        raise UsageError(
            f"{what} {verbatim(path)} does not exist",
            "`chords presets` lists the presets that do",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{what} {path} cannot be read: {error.strerror}", "name a .yaml file you may read"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not UTF-8", "save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = verbatim(error.problem or "not YAML")
        raise UsageError(f"{verbatim(path)}:{line}: {problem}", f"fix line {line}") from error
    except (yaml.YAMLError, *_UNREADABLE) as error:
        deep = isinstance(error, RecursionError)
        reason = "it is nested too deeply" if deep else str(error).partition("\n")[0]
        raise UsageError(
            f"{verbatim(path)}: not YAML: {verbatim(reason)}",
            "write it as `chords presets demo-image` does",
        ) from error


def _check_together(origin: str, preset: Preset) -> None:
    """Refuses keys that contradict each other, sizes that are not allowed, and impossible plans."""
    plans = [PlanChoice()]
    if preset.sampling.init_t != "auto":  # an option may ask for the other algorithm
        plans.append(PlanChoice(algo="chords"))
    if preset.sampling.rounds != "auto":
        plans.append(PlanChoice(algo="wavefront"))
    calls = (preset.call, *(variant.call for variant in preset.variants.values()))
    names = {"width": "width", "height": "height", "frames": "num_frames"}
    sized = ({option: call.get(key) for option, key in names.items()} for call in calls)
    try:
        check_all(
            preset.check_rules,
            *(partial(preset.limits.check, **sizes) for sizes in sized),
            *(partial(resolve_plan, preset.plan, plan) for plan in plans),
        )
    except UsageError as error:
        fix = f"fix it in {verbatim(Path(origin).name)}"
        raise error.reworded(f"{verbatim(origin)}: {{message}}", fix) from error


def _nearest(name: str, known: list[str]) -> str:
    """Asks for presets that begin the same or are spelled similarly; empty if there are none."""
    if not name:
        return ""
    near = [other for other in known if other.startswith(name) or name.startswith(other)]
    names = presets_of(name) or near or difflib.get_close_matches(name, known, cutoff=0.7)
    return f"did you mean {either(names)}? " if names else ""
