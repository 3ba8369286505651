"""Tells whether an installed package has a class, from its source and without importing it.

Pipelines name the classes of their components as `[library, class]`. The answer is no only where
the name stands nowhere in the library; whether a class that is mentioned can be loaded is seen when
a core does it.
"""

import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path


@functools.cache
def knows_class(library: str, cls: str) -> bool | None:
    """Returns whether a library may have a class; None for one whose classes are never loaded.

    Whatever a repository names, only diffusers and transformers are imported: importing a module
    runs it.

    Args:
        library: A package, or the name of a folder of diffusers' pipelines.
        cls: As in model_index.json.
    """
    diffusers = _folder("diffusers")
    pipelines = diffusers / "pipelines" / library if diffusers else None
    if library == "diffusers":
        return diffusers is None or _names(diffusers / "__init__.py", cls.removeprefix("FlashPack"))
    if library.isidentifier() and pipelines and pipelines.is_dir():
        return _mentioned([pipelines], cls)
    folder = _folder("transformers") if library == "transformers" else None
    if folder is None:
        return None
    slow = cls.removesuffix("Fast")  # tokenizers of both names are one class there
    places = [*_likely(folder / "models", cls), folder, *([diffusers] if diffusers else [])]
    return any(_mentioned([place], name) for place in places for name in {cls, slow})


def _folder(library: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(library)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).parent if spec and spec.origin else None


def _likely(models: Path, cls: str) -> Iterator[Path]:
    """Yields the folders of models whose names a class begins with: `t5` for T5EncoderModel."""
    for folder in models.iterdir() if models.is_dir() else ():
        if cls.lower().startswith(folder.name.replace("_", "")):
            yield folder


def _mentioned(folders: list[Path], name: str) -> bool:
    files = (file for folder in folders for file in folder.rglob("*.py"))
    return any(_names(file, name) for file in files)


def _names(file: Path, name: str) -> bool:
    source = file.read_bytes()
    word = name.encode()
    return word in source and re.search(rb"\b%b\b" % re.escape(word), source) is not None
