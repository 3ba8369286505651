"""What the classes of the installed diffusers say of themselves, read without importing it.

The import takes seconds, and a misspelt argument shall not cost them. What a pipeline's call takes
and what it is made of stands in its source, which is found and parsed in a tenth of a second.
Where there is no source to read, nothing is told and the cores find out by themselves.
"""

import ast
import difflib
import functools
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chords_cli.errors import UsageError

_KINDS = {"pipelines": "Pipeline", "schedulers": "Scheduler"}
"""What the classes of a part of diffusers end with."""

_ROOT = "DiffusionPipeline"
"""What every pipeline inherits; it adds no component and no argument."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineClass:
    """A pipeline class.

    Attributes:
        arguments: What its call takes; true for what has to be given.
        components: What it is made of; true for what it cannot do without.
        types: Per argument and component the classes that its annotation names.
        named: Every name and attribute in the body of its call.
    """

    name: str
    arguments: Mapping[str, bool]
    components: Mapping[str, bool]
    types: Mapping[str, frozenset[str]]
    named: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerClass:
    """A scheduler class: the settings that it takes, and how often it calls the model a step."""

    name: str
    settings: tuple[str, ...]
    order: int


@functools.cache
def read_pipeline(name: str) -> PipelineClass | None:
    """The pipeline class of that name; None where diffusers' source cannot be read.

    Raises:
        UsageError: diffusers has no such pipeline.
    """
    lineage = _lineage("pipelines", name)
    if lineage is None:
        return None
    if not lineage:
        names = _names("pipelines", b"Pipeline(")
        way = "write the class name as in the model's model_index.json, or upgrade diffusers"
        raise _unknown("pipeline", name, names, way, cutoff=0.8)
    made, call = _method(lineage, "__init__"), _method(lineage, "__call__")
    optional = set(_strings(_value(lineage, "_optional_components")))
    needed = _parameters(made)
    return PipelineClass(
        name=name,
        arguments=_parameters(call),
        components={part: must and part not in optional for part, must in needed.items()},
        types={arg.arg: _words(arg.annotation) for arg in _arguments(call) + _arguments(made)},
        named=_words(call),
    )


@functools.cache
def read_scheduler(name: str) -> SchedulerClass | None:
    """The scheduler class of that name; None where diffusers' source cannot be read.

    Raises:
        UsageError: diffusers has no such scheduler.
    """
    lineage = _lineage("schedulers", name)
    if lineage is None:
        return None
    if not lineage:
        names = _names("schedulers", b"SchedulerMixin")
        way = "write a class of diffusers, as in `scheduler: {class: EulerDiscreteScheduler}`"
        raise _unknown("scheduler", name, names, way, cutoff=0.6)
    order = _value(lineage, "order")
    return SchedulerClass(
        name=name,
        settings=tuple(_parameters(_method(lineage, "__init__"))),
        order=order.value if isinstance(order, ast.Constant) and type(order.value) is int else 1,
    )


def _unknown(kind: str, name: str, names: list[str], way: str, *, cutoff: float) -> UsageError:
    """What is said of a class that diffusers has not; `cutoff` is how like a name has to be."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    version = importlib.metadata.version("diffusers")
    return UsageError(
        f"{kind} {name} is not a {kind} of diffusers {version}",
        (f"did you mean {near[0]}? " if near else "") + way,
    )


def _files(part: str) -> Iterator[Path]:
    spec = importlib.util.find_spec("diffusers")
    if spec is not None and spec.origin is not None:
        yield from sorted((Path(spec.origin).parent / part).rglob("*.py"))


def _names(part: str, line: bytes) -> list[str]:
    """The classes of a part of diffusers whose first line holds `line`."""
    lines = (one for file in _files(part) for one in file.read_bytes().splitlines())
    heads = (one for one in lines if one.startswith(b"class ") and line in one)
    return [one.split(b"(")[0].removeprefix(b"class ").decode() for one in heads]


def _lineage(part: str, name: str) -> list[ast.ClassDef] | None:
    """A class and what it inherits from its own kind; empty without one, None without source."""
    try:
        found = _find(part, name)
        if found is None:
            return [] if next(_files(part), None) else None
        bases = [ast.unparse(base) for base in found.bases]
        kin = [base for base in bases if base.endswith(_KINDS[part]) and base != _ROOT]
        return [found, *(one for base in kin for one in _lineage(part, base) or ())]
    except (OSError, SyntaxError, ValueError):
        return None


def _find(part: str, name: str) -> ast.ClassDef | None:
    head, likely = f"\nclass {name}".encode(), name.lower()
    # FluxPipeline is sought in flux/ first
    for file in sorted(_files(part), key=lambda file: _plain(file.parent.name) not in likely):
        source = file.read_bytes()
        if head + b"(" in source or head + b":" in source:
            body = ast.parse(source).body
            return next(
                (one for one in body if isinstance(one, ast.ClassDef) and one.name == name), None
            )
    return None


def _plain(folder: str) -> str:
    return folder.replace("_", "")


def _method(lineage: list[ast.ClassDef], name: str) -> ast.FunctionDef | None:
    nodes = (node for cls in lineage for node in cls.body)
    return next((n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name), None)


def _value(lineage: list[ast.ClassDef], name: str) -> ast.expr | None:
    """What a class or the nearest that it inherits from assigns to an attribute."""
    nodes = (node for cls in lineage for node in cls.body if isinstance(node, ast.Assign))
    return next((n.value for n in nodes if ast.unparse(n.targets[0]) == name), None)


def _arguments(method: ast.FunctionDef | None) -> list[ast.arg]:
    return [*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs] if method else []


def _parameters(method: ast.FunctionDef | None) -> dict[str, bool]:
    """What a method takes beside `self`; true where there is no default."""
    if method is None:
        return {}
    plain, named = method.args.posonlyargs + method.args.args, method.args.kwonlyargs
    without = len(plain) - len(method.args.defaults)
    taken = {arg.arg: place < without for place, arg in enumerate(plain)}
    taken |= {arg.arg: not given for arg, given in zip(named, method.args.kw_defaults, strict=True)}
    return {name: must for name, must in taken.items() if name != "self"}


def _strings(value: ast.AST | None) -> Iterator[str]:
    for node in ast.walk(value) if value else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _words(node: ast.AST | None) -> frozenset[str]:
    """Every name and attribute in a piece of source."""
    nodes = list(ast.walk(node)) if node else []
    attributes = {one.attr for one in nodes if isinstance(one, ast.Attribute)}
    return frozenset(attributes | {one.id for one in nodes if isinstance(one, ast.Name)})
