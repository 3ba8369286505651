"""Where everything of a model comes from: its own repository or folder, and others for parts of it.

A control net or an adapter lies in a repository of its own, of which only that part is taken.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from chords_cli.hub import Weights, find_folder, find_snapshot
from chords_cli.hub.repository import ALL, Pieces, class_of, components, needed_files
from chords_cli.pipelines.load.spec import Index, PartSpec
from chords_cli.presets.parts import Elsewhere
from chords_cli.presets.schema import Preset


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A repository of the hub, or a folder, and what of it a model takes.

    Attributes:
        repo: The repository; None for a folder.
        path: The folder; None for a repository.
        revision: Of the repository; None for its main branch.
        variant: That of the weights; None for the plain ones.
        pieces: What is taken.
    """

    repo: str | None
    path: Path | None
    revision: str | None = None
    variant: str | None = None
    pieces: Pieces = ALL

    @property
    def name(self) -> str:
        """What to call it."""
        return str(self.repo or self.path)

    def find(self, cache: Path | None = None) -> Weights:
        """Looks for what is taken of it on this machine, without fetching it."""
        if self.repo is None:
            assert self.path is not None, "a source is a repository or a folder"
            return find_folder(self.path, self.variant, self.pieces)
        return find_snapshot(
            self.repo, self.revision, cache, variant=self.variant, pieces=self.pieces
        )

    def files(self, folder: Path) -> list[Path]:
        """Returns the files that a run opens of it, where it is in that folder."""
        paths = (path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        needed = needed_files(
            names,
            lambda name: json.loads((folder / name).read_text("utf-8")),
            self.variant,
            self.pieces,
        )
        return [folder / name for name in sorted(needed)]


def sources_of(preset: Preset) -> tuple[Source, ...]:
    """Returns all sources of a model, each of them once; its own is the first."""
    own = Source(
        repo=preset.repo,
        path=preset.path,
        revision=preset.revision,
        variant=preset.variant,
        pieces=Pieces(without=tuple(sorted(preset.from_elsewhere))),
    )
    others: dict[Source, Pieces] = {}
    for part, pieces in _pieces(preset):
        source = _source(part, preset)
        before = others.get(source, Pieces())
        others[source] = Pieces(
            folders=before.folders + pieces.folders, files=before.files + pieces.files
        )
    return own, *(replace(source, pieces=pieces) for source, pieces in others.items())


def held_parts(preset: Preset, folder: Path, index: Index) -> dict[str, PartSpec]:
    """Returns those components of a model that are here, wherever they come from.

    Args:
        preset: The model.
        folder: Its own folder.
        index: Its model_index.json.
    """
    own = components(index).items()
    parts = {name: PartSpec(library, cls, str(folder / name)) for name, (library, cls) in own}
    return parts | parts_elsewhere(preset)


def parts_elsewhere(preset: Preset) -> dict[str, PartSpec]:
    """Returns those components from elsewhere that are here."""
    folders = {name: _part_folder(preset, name) for name in preset.from_elsewhere}
    held = {name: (folder, _class_in(folder)) for name, folder in folders.items() if folder}
    return {name: PartSpec(*cls, str(folder)) for name, (folder, cls) in held.items() if cls}


def part_folder(preset: Preset, folder: Path, name: str) -> Path:
    """Returns the folder of a component of a model that is in `folder`."""
    own = _part_folder(preset, name) if name in preset.from_elsewhere else None
    return own or folder / name


def adapter_files(preset: Preset) -> tuple[tuple[str, float], ...]:
    """Returns the files and the scales of those adapters that are here."""
    folders = [(_folder(adapter, preset), adapter) for adapter in preset.adapters]
    files = [(folder / part.file, part.scale) for folder, part in folders if folder]
    return tuple((str(file), scale) for file, scale in files if file.is_file())


def _class_in(folder: Path) -> tuple[str, str] | None:
    """Returns the (library, class) of the component in a folder; None where nothing tells it."""
    try:
        return class_of(json.loads((folder / "config.json").read_text("utf-8")))
    except (OSError, ValueError, AttributeError):
        return None


def _pieces(preset: Preset) -> Iterator[tuple[Elsewhere, Pieces]]:
    for part in preset.components.values():
        if part.elsewhere:
            yield part, Pieces(folders=(part.subfolder or ".",))
    for adapter in preset.adapters:
        yield adapter, Pieces(files=(adapter.file,))


def _source(part: Elsewhere, preset: Preset) -> Source:
    return Source(repo=part.repo, path=part.path, revision=part.revision, variant=preset.variant)


def _part_folder(preset: Preset, name: str) -> Path | None:
    part = preset.components[name]
    folder = _folder(part, preset)
    return folder and folder / (part.subfolder or ".")


def _folder(part: Elsewhere, preset: Preset) -> Path | None:
    """Returns the folder that holds a part, or what has arrived of it."""
    return part.path or _source(part, preset).find().folder
