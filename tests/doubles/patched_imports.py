"""Patches modules of other processes when they import them; found there through sitecustomize."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from typing import Any

Patch = Callable[[Any], None]


class PatchedImports:
    """Lets a module be imported as it is, then patches it.

    Args:
        patches: What is done to a module once it is there, by its name.
        before: What is done when a module is about to be imported.
    """

    def __init__(
        self, patches: Mapping[str, Patch], before: Mapping[str, Callable[[], None]] | None = None
    ) -> None:
        self._patches, self._before, self._busy = patches, before or {}, False

    def install(self) -> None:
        """Patches what is imported from now on."""
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name in self._before:
            self._before[name]()
        if self._busy or name not in self._patches:
            return None
        self._busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy = False
        assert spec is not None
        assert spec.loader is not None
        load, patch = spec.loader.exec_module, self._patches[name]

        def exec_module(module: Any) -> None:
            load(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
