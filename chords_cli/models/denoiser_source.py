"""Reads which step caches the installed diffusers has for a denoiser, without importing diffusers.

A cache knows the classes of blocks that are registered for it and the names that it looks for; both
stand in the source, as what a denoiser is made of does.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chords_cli.models.diffusers_source import assignments, find_class, source_files
from chords_cli.pipelines.load.spec import CACHES, CacheName

_LISTS = re.compile(r"(single_|temporal_|visual_)?transformer_blocks|blocks|layers")
"""The names of those lists of blocks in which caches look."""

_FUNCTIONS = re.compile(r"_.*|.*_callback")
"""Parameters that are functions, or diffusers' own business."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserClass:
    """A denoiser, as caches see it.

    Attributes:
        cached: Whether diffusers can cache it at all.
        blocks: The classes of the blocks in which caches look.
        attentions: The names of the attention in these blocks.
    """

    name: str
    cached: bool
    blocks: frozenset[str]
    attentions: frozenset[str]


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
    )


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


def _blocks_of(name: str, value: ast.expr) -> Iterator[str]:
    """Yields the classes in a list of blocks, `nn.ModuleList([Block(...) for ...])`."""
    if not _LISTS.fullmatch(name) or "ModuleList" not in ast.unparse(value).split("(")[0]:
        return
    for node in ast.walk(value):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id[0].isupper():
            yield called.id
