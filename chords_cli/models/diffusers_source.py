"""Reads what the classes of the installed diffusers take, without importing diffusers.

Importing diffusers takes seconds; a misspelled argument should be caught without it. The source of
a pipeline says what its call takes and which components it has, and is found and parsed in a tenth
of a second. If there is no source, nothing is checked here; the cores check it when they load.
"""

import ast
import functools
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chords_cli.pipelines.load.spec import DENOISERS
from chords_cli.pipelines.rules import unknown_class

_KINDS = {"pipelines": "Pipeline", "schedulers": "Scheduler"}
"""Maps a part of diffusers to the ending of its classes' names."""

_ROOT = "DiffusionPipeline"
"""The base of every pipeline; it adds no component and no argument."""


FRAMES = {"num_frames", "video_length", "frames"}
"""The names that pipelines give to the number of frames of their videos."""


NOISES = frozenset({"scale_noise", "add_noise"})
"""The methods of schedulers that add noise to a latent; some have one, some the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineClass:
    """A pipeline class.

    Attributes:
        arguments: The arguments of its call, each with whether it is required.
        defaults: The constant defaults of its call's arguments.
        components: Its components, each with whether it is required.
        types: For every argument and component, the classes that its annotation names.
        named: Every name and attribute in the body of its call.
        evaluates: At how many places its loop asks the denoiser, those in a loop of its own twice.
        noises: The methods of its scheduler by which it adds noise to a picture; empty if it takes
            whichever a scheduler has.
    """

    name: str
    arguments: Mapping[str, bool]
    defaults: Mapping[str, Any]
    components: Mapping[str, bool]
    types: Mapping[str, frozenset[str]]
    named: frozenset[str]
    evaluates: int
    noises: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerClass:
    """A scheduler class.

    Attributes:
        settings: With their defaults, as far as the source says them; else None.
        order: How many times it calls the model per step.
        grid: The arguments of its `set_timesteps`.
        methods: What it can be asked.
    """

    name: str
    settings: Mapping[str, Any]
    order: int
    grid: frozenset[str]
    methods: frozenset[str]


@functools.cache
def read_pipeline(name: str) -> PipelineClass | None:
    """Reads the pipeline class with that name; None if the source of diffusers cannot be read.

    Raises:
        UsageError: diffusers has no such pipeline.
    """
    lineage = pipeline_lineage(name)
    if lineage is None:
        return None
    init, call = find_method(lineage, "__init__"), find_method(lineage, "__call__")
    optional = _strings(_assigned_value(lineage, "_optional_components"))
    return PipelineClass(
        name=name,
        arguments=_required(call),
        defaults=default_values(call),
        components={
            part: needed and part not in optional for part, needed in _required(init).items()
        },
        types={arg.arg: _identifiers(arg.annotation) for arg in _args(call) + _args(init)},
        named=_identifiers(call),
        evaluates=_evaluations(call),
        noises=_noises(lineage),
    )


@functools.cache
def read_scheduler(name: str) -> SchedulerClass | None:
    """Reads the scheduler class with that name; None if the source of diffusers cannot be read.

    Raises:
        UsageError: diffusers has no such scheduler.
    """
    lineage = _known_lineage("scheduler", name, b"SchedulerMixin")
    if lineage is None:
        return None
    order, init = _assigned_value(lineage, "order"), find_method(lineage, "__init__")
    return SchedulerClass(
        name=name,
        settings=dict.fromkeys(_required(init)) | default_values(init),
        order=order.value if isinstance(order, ast.Constant) and type(order.value) is int else 1,
        grid=frozenset(_required(find_method(lineage, "set_timesteps"))),
        methods=frozenset(
            node.name for cls in lineage for node in cls.body if isinstance(node, ast.FunctionDef)
        ),
    )


def pipeline_lineage(name: str) -> list[ast.ClassDef] | None:
    """Finds a pipeline class with what it inherits; None if diffusers' source cannot be read.

    Raises:
        UsageError: diffusers has no such pipeline.
    """
    return _known_lineage("pipeline", name, b"Pipeline(")


def _known_lineage(
    kind: Literal["pipeline", "scheduler"], name: str, head: bytes
) -> list[ast.ClassDef] | None:
    """Finds a class with what it inherits; None if the source of diffusers cannot be read.

    Args:
        kind: What the class is.
        name: Its name.
        head: What the first lines of all classes of that kind have in common.

    Raises:
        UsageError: diffusers has no such class.
    """
    part = f"{kind}s"
    lineage = _find_lineage(part, name)
    if lineage is not None and not lineage:
        version = importlib.metadata.version("diffusers")
        raise unknown_class(kind, name, version, _class_names(part, head))
    return lineage


@functools.cache
def source_files(part: str) -> tuple[Path, ...]:
    """Finds the files of a part of diffusers; none if its source cannot be read."""
    spec = importlib.util.find_spec("diffusers")
    if spec is None or spec.origin is None:
        return ()
    return tuple(sorted((Path(spec.origin).parent / part).rglob("*.py")))


def _class_names(part: str, text: bytes) -> list[str]:
    """Returns the names of those classes in a part of diffusers whose first line has `text`."""
    lines = (line for file in source_files(part) for line in file.read_bytes().splitlines())
    heads = (line for line in lines if line.startswith(b"class ") and text in line)
    return [head.split(b"(")[0].removeprefix(b"class ").decode() for head in heads]


def _find_lineage(part: str, name: str) -> list[ast.ClassDef] | None:
    """Finds a class and the classes of its kind that it inherits from.

    Returns an empty list if diffusers does not have the class, None if its source cannot be read.
    """
    try:
        found = find_class(part, name)
        if found is None:
            return [] if source_files(part) else None
        bases = [ast.unparse(base) for base in found.bases]
        parents = [base for base in bases if base.endswith(_KINDS[part]) and base != _ROOT]
        return [found, *(cls for base in parents for cls in _find_lineage(part, base) or ())]
    except (OSError, SyntaxError, ValueError):
        return None


@functools.cache
def find_class(part: str, name: str) -> ast.ClassDef | None:
    """Finds a class in a part of diffusers; None if that part does not have it."""

    def is_unlikely(file: Path) -> bool:  # looks for FluxPipeline in flux/ first
        return file.parent.name.replace("_", "") not in name.lower()

    head = f"\nclass {name}".encode()
    for file in sorted(source_files(part), key=is_unlikely):
        source = file.read_bytes()
        if head + b"(" in source or head + b":" in source:
            body = ast.parse(source).body
            return next(
                (node for node in body if isinstance(node, ast.ClassDef) and node.name == name),
                None,
            )
    return None


def find_method(lineage: list[ast.ClassDef], name: str) -> ast.FunctionDef | None:
    """Finds a method in the first class of a lineage that has it."""
    nodes = (node for cls in lineage for node in cls.body)
    return next((n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name), None)


def _assigned_value(lineage: list[ast.ClassDef], name: str) -> ast.expr | None:
    """Returns the value of an attribute in the first class of a lineage that sets it."""
    nodes = (node for cls in lineage for node in cls.body if isinstance(node, ast.Assign))
    return next((n.value for n in nodes if ast.unparse(n.targets[0]) == name), None)


def assignments(cls: ast.ClassDef) -> list[tuple[str, ast.expr]]:
    """Returns what the constructor of a class assigns to attributes of `self`."""
    init = find_method([cls], "__init__")
    nodes = [node for node in ast.walk(init) if isinstance(node, ast.Assign)] if init else []
    named = [(ast.unparse(node.targets[0]), node.value) for node in nodes]
    return [(name[5:], value) for name, value in named if name.startswith("self.")]


def _evaluations(method: ast.FunctionDef | None) -> int:
    """Counts the places where a loop asks the denoiser, a place in a loop of its own twice."""
    parts = {f"self.{name}" for name in DENOISERS}

    def count(node: ast.AST, loops: int) -> int:
        asks = isinstance(node, ast.Call) and ast.unparse(node.func) in parts
        within = loops + isinstance(node, ast.For)
        return asks * min(loops, 2) + sum(count(n, within) for n in ast.iter_child_nodes(node))

    for node in ast.walk(method) if method else ():  # as in `model = self.transformer`
        if isinstance(node, ast.Assign) and ast.unparse(node.value) in parts:
            parts.add(ast.unparse(node.targets[0]))
    return count(method, 0) if method else 0


def _noises(lineage: list[ast.ClassDef]) -> frozenset[str]:
    """Finds the scheduler's methods by which a pipeline adds noise, unless it asks which it has."""
    nodes = [node for cls in lineage for node in ast.walk(cls) if isinstance(node, ast.Call)]
    for node in nodes:
        if ast.unparse(node.func) == "hasattr" and _strings(node) & NOISES:
            return frozenset()
    asked = {ast.unparse(node.func).removeprefix("self.scheduler.") for node in nodes}
    return NOISES & asked


def _args(method: ast.FunctionDef | None) -> list[ast.arg]:
    return [*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs] if method else []


def _required(method: ast.FunctionDef | None) -> dict[str, bool]:
    """Returns the arguments of a method except `self`, each with whether it has no default."""
    if method is None:
        return {}
    positional, keyword_only = method.args.posonlyargs + method.args.args, method.args.kwonlyargs
    first_default = len(positional) - len(method.args.defaults)
    required = {arg.arg: place < first_default for place, arg in enumerate(positional)}
    defaults = zip(keyword_only, method.args.kw_defaults, strict=True)
    required |= {arg.arg: default is None for arg, default in defaults}
    return {name: needed for name, needed in required.items() if name != "self"}


def default_values(method: ast.FunctionDef | None) -> dict[str, Any]:
    """Returns the defaults of a method's arguments, as far as they are literals."""
    if method is None:
        return {}
    positional = method.args.posonlyargs + method.args.args
    values = [
        *zip(reversed(positional), reversed(method.args.defaults), strict=False),
        *zip(method.args.kwonlyargs, method.args.kw_defaults, strict=True),
    ]
    found: dict[str, Any] = {}
    for arg, node in values:
        with suppress(ValueError):  # it is no literal
            found |= {arg.arg: ast.literal_eval(node)} if node else {}
    return found


def _strings(value: ast.AST | None) -> frozenset[str]:
    """Returns every string constant in a piece of source."""
    parts = ast.walk(value) if value else ()
    constants = (part.value for part in parts if isinstance(part, ast.Constant))
    return frozenset(value for value in constants if isinstance(value, str))


def _identifiers(node: ast.AST | None) -> frozenset[str]:
    """Returns every name and attribute in a piece of source."""
    parts = list(ast.walk(node)) if node else []
    attributes = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return frozenset(attributes | {part.id for part in parts if isinstance(part, ast.Name)})
