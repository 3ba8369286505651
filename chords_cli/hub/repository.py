"""The files of a diffusers repository, and which of them a run opens; the others are not needed.

Pure functions: names in, names out. They know how diffusers and transformers choose among a
component's files (one weight format, one precision, one vocabulary), and nothing about hubs, disks
and networks.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

INDEX = "model_index.json"
"""Names every component as `[library, class]`."""

ReadJson = Callable[[str], Any]

_TEXT = (".json", ".txt", ".model", ".jinja")
"""The files of tokenizers and processors."""

_PROCESSORS = ("tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
"""Files by which a tokenizer or processor can be told from a model whose weights are missing."""

_SLOW_VOCABULARY = ("vocab.json", "vocab.txt", "merges.txt", ".model")
"""Files that are not opened if there is a tokenizer.json, which has the same content."""

_NO_VOCABULARY = "ByT5"
"""Tokenizers whose class name begins like this take bytes and need no vocabulary."""

_WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".msgpack", ".h5")
_ENCODERS = ("text_encoder", "image_encoder", "safety_checker")
"""How the names of the folders that hold models of transformers begin."""

_SHARD = r"-\d{5}-of-\d{5}"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository; `etag` is its SHA-256, or for a small file git's SHA-1 of it."""

    path: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit; `revision` is the branch, tag or commit that was asked for."""

    repo: str
    revision: str | None
    commit: str
    gated: bool
    files: Mapping[str, RemoteFile]


class UnloadableError(ValueError):
    """A repository lacks something that every run needs; the message says what.

    Attributes:
        hint: What to do, where that is not to choose another repository.
        variant: A variant of the weights that the repository has instead.
    """

    def __init__(self, message: str, hint: str = "", variant: str | None = None) -> None:
        super().__init__(message)
        self.hint, self.variant = hint, variant


@dataclass(frozen=True, kw_only=True, slots=True)
class Pieces:
    """What is taken of a repository, where that is not all of a pipeline.

    Attributes:
        folders: Those of single components; `.` where the repository holds just one.
        files: Single files.
        without: If it is a pipeline after all, the components that are not taken.
    """

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def of_pipeline(self) -> bool:
        """Whether it is a pipeline after all."""
        return not (self.folders or self.files)


ALL = Pieces()
"""All of a pipeline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Component:
    """A component of a pipeline, with the names of the files in its folder.

    Attributes:
        what: What errors call it.
        place: What the paths of its files begin with: its folder and a slash, or nothing.
    """

    what: str
    place: str
    library: str
    cls: str
    files: Collection[str]
    variant: str | None


def needed_files(
    names: Collection[str],
    read_json: ReadJson,
    variant: str | None = None,
    pieces: Pieces = ALL,
) -> list[str]:
    """Returns the files that a run opens, sorted.

    Args:
        names: All files of the repository, with `/` between folders.
        read_json: Reads one of them.
        variant: Of the weights, such as `fp16`; as in diffusers, a component that has no such
            weights is loaded from its plain ones.
        pieces: What is taken of it.

    Raises:
        UnloadableError: A component has no configuration or no safetensors, or none of them has
            weights of the variant.
    """
    if not pieces.of_pipeline:
        return sorted(set(_pieces(pieces, names, read_json, variant)))
    if INDEX not in names:
        raise UnloadableError(f"there is no {INDEX}: it is not a diffusers repository")
    needed = {INDEX}
    for name, cls in components(read_json(INDEX)).items():
        if name not in pieces.without:
            needed |= _files_at(name, names, cls, read_json, variant)
    if variant and not any(f".{variant}" in file for file in needed):
        raise UnloadableError(
            f"no component has weights of the variant {variant}",
            "remove `variant` from the preset, or write one that the repository has",
        )
    return sorted(needed)


def components(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Returns the components of a pipeline that are not null, as (library, class)."""
    entries = {name: entry for name, entry in index.items() if isinstance(entry, list)}
    return {
        name: (entry[0], entry[1])
        for name, entry in entries.items()
        if any(entry) and not name.startswith("_")
    }


def class_of(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """Returns the (library, class) of a model, from its config.json; None where it names none."""
    if isinstance(cls := config.get("_class_name"), str):
        return "diffusers", cls
    match config.get("architectures"):
        case [str(cls), *_]:
            return "transformers", cls
    return None


def likely_json(names: Collection[str], path: str) -> Any:
    """Guesses the content of a JSON file that a gated repository hides, from its files' names.

    This is good enough for a size: `model_index.json` names the folders, a configuration the
    library, and an index the shards beside it.
    """
    if path == INDEX:
        configs = [name.split("/") for name in names if name.endswith("config.json")]
        folders = {parts[0] for parts in configs if len(parts) == 2}
        return {
            folder: ["transformers" if folder.startswith(_ENCODERS) else "diffusers", ""]
            for folder in folders
        }
    if path.endswith("config.json"):
        start = path.removesuffix("config.json") + "model."
        transformers = any(name.startswith(start) for name in names)
        return {"architectures": [""]} if transformers else {"_class_name": ""}
    stem, _, kind = path.partition(".safetensors.index.")
    variant = re.escape(f".{kind.removesuffix('.json')}" if kind != "json" else "")
    shard = re.compile(rf"{re.escape(stem)}({variant}{_SHARD}|{_SHARD}{variant})\.safetensors")
    shards = [name for name in names if shard.fullmatch(name)]
    return {"weight_map": {name: PurePosixPath(name).name for name in shards}}


def _pieces(
    pieces: Pieces, names: Collection[str], read_json: ReadJson, variant: str | None
) -> Iterator[str]:
    """Yields the files of single components, and single files."""
    for folder in pieces.folders:
        config = "config.json" if folder == "." else f"{folder}/config.json"
        if config not in names:
            raise UnloadableError(f"there is no {config}: it holds no model there")
        cls = class_of(read_json(config))
        if cls is None:
            raise UnloadableError(f"{config} names no class of diffusers or transformers")
        yield from _files_at(folder, names, cls, read_json, variant)
    for file in pieces.files:
        if file not in names:
            raise UnloadableError(f"there is no {file}")
        yield file


def _files_at(
    folder: str,
    names: Collection[str],
    cls: tuple[str, str],
    read_json: ReadJson,
    variant: str | None,
) -> set[str]:
    """Returns the paths of those files of a component in that folder that a run opens."""
    place = "" if folder == "." else f"{folder}/"
    component = _Component(
        what=f"component {folder}" if place else "the model",
        place=place,
        library=cls[0],
        cls=cls[1],
        files={file[len(place) :] for file in names if file.startswith(place)},
        variant=variant,
    )
    return {f"{place}{file}" for file in _component_files(component, read_json)}


def _component_files(component: _Component, read_json: ReadJson) -> Collection[str]:
    """Returns those of a component's files that a run opens."""
    what, files = component.what, component.files
    if "scheduler_config.json" in files:
        return ["scheduler_config.json"]
    processes = any(file in files for file in _PROCESSORS)
    has_weights = any(file.endswith(_WEIGHTS) for file in files)
    if "config.json" in files and (has_weights or not processes):
        generates = component.library == "transformers" and "For" in component.cls
        extra = {"generation_config.json"} & set(files) if generates else set()
        return {"config.json", *extra, *_weights(component, read_json)}
    texts = {file for file in files if file.endswith(_TEXT) and "/" not in file}
    if not any(file.endswith("config.json") for file in texts):
        raise UnloadableError(f"{what} has no configuration")
    if "tokenizer_config.json" in texts and not component.cls.startswith(_NO_VOCABULARY):
        return _vocabulary(what, texts)
    return texts


def _vocabulary(what: str, texts: set[str]) -> set[str]:
    """Returns the files of a vocabulary in one of the two formats in which it is saved."""
    slow = {file for file in texts if file.endswith(_SLOW_VOCABULARY)}
    if "tokenizer.json" in texts:
        return texts - slow
    if not slow or slow == {"vocab.json"} or slow == {"merges.txt"}:
        raise UnloadableError(f"{what} has no vocabulary")
    return texts


def _weights(component: _Component, read_json: ReadJson) -> Iterator[str]:
    """Yields the single file of weights, or the index and its shards."""
    what, files = component.what, component.files
    of_transformers = component.library == "transformers"
    if component.library not in ("transformers", "diffusers"):  # a class of a pipeline's own
        of_transformers = any(file.startswith("model.") for file in files)
    stem = "model" if of_transformers else "diffusion_pytorch_model"
    known = []
    for dot in [f".{component.variant}", ""] if component.variant else [""]:
        single, index = f"{stem}{dot}.safetensors", f"{stem}.safetensors.index{dot}.json"
        known += [single, index] if of_transformers else [index, single]
    chosen = next((file for file in known if file in files), None)
    if chosen is None:
        raise _no_weights(what, stem, files)
    yield chosen
    if not chosen.endswith(".safetensors"):
        shards = set(read_json(f"{component.place}{chosen}")["weight_map"].values())
        if missing := sorted(shards - set(files)):
            raise UnloadableError(f"{what} has no {missing[0]}, which its index names")
        yield from shards


def _no_weights(what: str, stem: str, files: Collection[str]) -> UnloadableError:
    """Returns the error for a component without plain weights, which it may have as a variant."""
    tensors = [file.split(".") for file in files if file.endswith(".safetensors")]
    found = sorted({re.sub(_SHARD, "", parts[1]) for parts in tensors if len(parts) == 3})
    if not found:
        return UnloadableError(f"{what} has no {stem}.safetensors: other formats are not loaded")
    return UnloadableError(
        f"{what} has no {stem}.safetensors, only weights of the variant {' and '.join(found)}",
        f"write `variant: {found[0]}` in the preset",
        found[0],
    )
