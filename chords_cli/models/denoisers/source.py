"""Reads what the installed diffusers can do with a denoiser, without importing diffusers.

A step cache knows the classes of blocks that are registered for it and the names that it looks for;
a plan says how a denoiser's tokens are shared. All of it stands in the source.
"""

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chords_cli.models.diffusers_source import assignments, find_class, source_files
from chords_cli.pipelines.load.spec import CACHES, CacheName

_LISTS = re.compile(r"(single_|temporal_|visual_)?transformer_blocks|blocks|layers")
"""The names of those lists of blocks in which caches look."""

_PLAN = "_cp_plan"
"""The attribute of a denoiser that says how its tokens are shared."""

_KIND = re.compile(r"Transformer[23]?D?Model$|Transformer$")
"""How the names of denoisers end."""

_BACKEND = re.compile(
    r"\.register\(\s*AttentionBackendName\.(?P<name>\w+),(?P<arguments>.*?)\n\)\ndef ", re.DOTALL
)
_ABLE = "supports_context_parallel=True"
"""Where a way to compute attention is registered, and what one says that can share tokens."""

_CHOICE = re.compile(r"^    _attention_backend\b", re.MULTILINE)
"""The attribute of those that compute attention in the way that is chosen."""

_SIBLINGS = re.compile(r"^from \.(?:\w+\.)*(\w+) import", re.MULTILINE)
"""The files beside a denoiser's that it takes parts from."""

_COMPILE = re.compile(r"^def compile\(\n.*?\n    \*,\n(.*?)^\)", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"^    (\w+):", re.MULTILINE)
"""Where torch takes what it compiles by, and each of that."""

_FUNCTIONS = re.compile(r"_.*|.*_callback")
"""Parameters that are functions, or diffusers' own business."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserClass:
    """A denoiser, as caches and those who share its tokens see it.

    Attributes:
        cached: Whether diffusers can cache it at all.
        blocks: The classes of the blocks in which caches look.
        attentions: The names of the attention in these blocks.
        planned: Whether it has a plan for how its tokens are shared.
    """

    name: str
    cached: bool
    blocks: frozenset[str]
    attentions: frozenset[str]
    planned: bool


@functools.cache
def read_denoiser(name: str) -> DenoiserClass | None:
    """Reads the denoiser class with that name; None if its source cannot be read."""
    found = _read_class("models", name)
    if found is None:
        return None
    blocks = frozenset(block for part in assignments(found) for block in _blocks_of(*part))
    held = [assignments(cls) for block in blocks if (cls := _read_class("models", block))]
    return DenoiserClass(
        name=name,
        cached=any(ast.unparse(base) == "CacheMixin" for base in found.bases),
        blocks=blocks,
        attentions=frozenset(part for parts in held for part, _ in parts if "attn" in part),
        planned=_has_plan(found),
    )


@functools.cache
def planned_denoisers() -> tuple[str, ...]:
    """Reads which denoisers have a plan for how their tokens are shared, by their short names."""
    texts = [file.read_text() for file in source_files("models")]
    bodies = (ast.parse(text).body for text in texts if f"{_PLAN} = " in text)
    classes = [node for body in bodies for node in body if isinstance(node, ast.ClassDef)]
    return tuple(sorted(_KIND.sub("", cls.name) for cls in classes if _has_plan(cls)))


@functools.cache
def all_backends() -> Mapping[str, bool]:
    """Reads diffusers' ways to compute attention, each with whether it can share tokens."""
    texts = (file.read_text() for file in source_files("models"))
    found = (match for text in texts for match in _BACKEND.finditer(text))
    return {match["name"].lower(): _ABLE in match["arguments"] for match in found}


def attention_backends() -> tuple[str, ...]:
    """Reads which of its ways to compute attention diffusers can use where tokens are shared."""
    return tuple(name for name, able in all_backends().items() if able)


@functools.cache
def has_choice(name: str) -> bool | None:
    """Reads whether a denoiser's attention can be computed in several ways; None if unknown."""
    texts = {file.stem: file.read_text() for file in source_files("models")}
    head = re.compile(rf"^class {name}\b", re.MULTILINE)
    own = next((text for text in texts.values() if head.search(text)), None)
    if own is None:
        return None
    beside = (texts.get(file, "") for file in _SIBLINGS.findall(own))
    return any(_CHOICE.search(text) for text in (own, *beside))


@functools.cache
def has_repeated_blocks(name: str) -> bool | None:
    """Reads whether a denoiser names the blocks that torch can compile; None if unknown."""
    found = _read_class("models", name)
    if found is None:
        return None
    assigned = [node for node in found.body if isinstance(node, ast.Assign)]
    if any(ast.unparse(node.targets[0]) == "_repeated_blocks" for node in assigned):
        return True
    mixed_in = all(ast.unparse(base).endswith("Mixin") for base in found.bases)
    return False if mixed_in else None  # it may inherit them


@functools.cache
def compile_parameters() -> tuple[str, ...]:
    """Reads which arguments `torch.compile` takes; none if the source of torch cannot be read."""
    spec = importlib.util.find_spec("torch")
    file = Path(spec.origin) if spec and spec.origin else None
    found = _COMPILE.findall(file.read_text()) if file and file.is_file() else []
    return tuple(_PARAMETER.findall(found[-1])) if found else ()


@functools.cache
def read_parameters(cache: CacheName) -> Mapping[str, str] | None:
    """Reads a cache's parameters, each with its type; None if its source cannot be read."""
    found = _read_class("hooks", CACHES[cache])
    if found is None:
        return None
    fields = (node for node in found.body if isinstance(node, ast.AnnAssign))
    named = {ast.unparse(field.target): ast.unparse(field.annotation) for field in fields}
    return {name: kind for name, kind in named.items() if not _FUNCTIONS.fullmatch(name)}


@functools.cache
def registered_blocks() -> frozenset[str]:
    """Reads which classes of blocks diffusers' caches know."""
    texts = (file.read_text() for file in source_files("hooks") if file.stem == "_helpers")
    return frozenset(name for text in texts for name in re.findall(r"model_class=(\w+)", text))


def _read_class(part: str, name: str) -> ast.ClassDef | None:
    try:
        return find_class(part, name)
    except (OSError, SyntaxError, ValueError):
        return None


def _has_plan(cls: ast.ClassDef) -> bool:
    assigned = (node for node in cls.body if isinstance(node, ast.Assign))
    return any(
        ast.unparse(node.targets[0]) == _PLAN and isinstance(node.value, ast.Dict)
        for node in assigned
    )


def _blocks_of(name: str, value: ast.expr) -> Iterator[str]:
    """Yields the classes in a list of blocks, `nn.ModuleList([Block(...) for ...])`."""
    if not _LISTS.fullmatch(name) or "ModuleList" not in ast.unparse(value).split("(")[0]:
        return
    for node in ast.walk(value):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id[0].isupper():
            yield called.id
