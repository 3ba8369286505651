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

_SHARD = r"-\d{5}-of-\d{5}\.safetensors"


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
    """A repository lacks something that every run needs; the message says what."""


def needed_files(names: Collection[str], read_json: ReadJson) -> list[str]:
    """Returns the files that a run opens, sorted.

    Args:
        names: All files of the repository, with `/` between folders.
        read_json: Reads one of them.

    Raises:
        UnloadableError: A component has no configuration or no safetensors.
    """
    if INDEX not in names:
        raise UnloadableError(f"there is no {INDEX}: it is not a diffusers repository")
    needed = {INDEX}
    for name, (library, cls) in components(read_json(INDEX)).items():
        files = {file[len(name) + 1 :] for file in names if file.startswith(f"{name}/")}
        chosen = _component_files(name, files, library, cls, read_json)
        needed |= {f"{name}/{file}" for file in chosen}
    return sorted(needed)


def components(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Returns the components of a pipeline that are not null, as (library, class)."""
    entries = {name: entry for name, entry in index.items() if isinstance(entry, list)}
    return {name: (entry[0], entry[1]) for name, entry in entries.items() if any(entry)}


def likely_json(names: Collection[str], path: str) -> Any:
    """Guesses the content of a JSON file that a gated repository hides, from its files' names.

    This is good enough for a size: `model_index.json` names the folders, and an index the shards
    beside it.
    """
    if path == INDEX:
        configs = [name.split("/") for name in names if name.endswith("config.json")]
        folders = {parts[0] for parts in configs if len(parts) == 2}
        return {
            folder: ["transformers" if folder.startswith(_ENCODERS) else "diffusers", ""]
            for folder in folders
        }
    shard = re.compile(re.escape(path.removesuffix(".safetensors.index.json")) + _SHARD)
    shards = [name for name in names if shard.fullmatch(name)]
    return {"weight_map": {name: PurePosixPath(name).name for name in shards}}


def _component_files(
    name: str, files: Collection[str], library: str, cls: str, read_json: ReadJson
) -> Collection[str]:
    """Returns those of a component's `files` that a run opens."""
    if "scheduler_config.json" in files:
        return ["scheduler_config.json"]
    processes = any(file in files for file in _PROCESSORS)
    has_weights = any(file.endswith(_WEIGHTS) for file in files)
    if "config.json" in files and (has_weights or not processes):
        generates = library == "transformers" and "For" in cls
        extra = {"generation_config.json"} & set(files) if generates else set()
        return {"config.json", *extra, *_weights(name, files, library, read_json)}
    texts = {file for file in files if file.endswith(_TEXT) and "/" not in file}
    if not any(file.endswith("config.json") for file in texts):
        raise UnloadableError(f"component {name} has no configuration")
    if "tokenizer_config.json" in texts and not cls.startswith(_NO_VOCABULARY):
        return _vocabulary(name, texts)
    return texts


def _vocabulary(name: str, texts: set[str]) -> set[str]:
    """Returns the files of a vocabulary in one of the two formats in which it is saved."""
    slow = {file for file in texts if file.endswith(_SLOW_VOCABULARY)}
    if "tokenizer.json" in texts:
        return texts - slow
    if not slow or slow == {"vocab.json"} or slow == {"merges.txt"}:
        raise UnloadableError(f"component {name} has no vocabulary")
    return texts


def _weights(name: str, files: Collection[str], library: str, read_json: ReadJson) -> Iterator[str]:
    """Yields the single file of weights, or the index and its shards; no variant such as fp16."""
    stem = "model" if library == "transformers" else "diffusion_pytorch_model"
    single, index = f"{stem}.safetensors", f"{stem}.safetensors.index.json"
    order = (single, index) if library == "transformers" else (index, single)
    chosen = next((file for file in order if file in files), None)
    if chosen is None:
        raise UnloadableError(f"component {name} has no {single}: other formats are not loaded")
    yield chosen
    if chosen == index:
        shards = set(read_json(f"{name}/{index}")["weight_map"].values())
        if missing := sorted(shards - set(files)):
            raise UnloadableError(f"component {name} has no {missing[0]}, which its index names")
        yield from shards
