"""Finds what `chords download` is asked for: presets, preset files and repositories of the hub."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from os.path import isfile
from pathlib import Path
from urllib.parse import urlsplit

from chords_cli.errors import UsageError, verbatim
from chords_cli.hub import is_repository
from chords_cli.hub.repository import ALL, Pieces
from chords_cli.models.elsewhere.sources import sources_of
from chords_cli.presets.files import available_presets, find_preset, load_preset
from chords_cli.presets.schema import Preset


@dataclass(frozen=True, slots=True)
class Target:
    """A model to have on this machine.

    Attributes:
        name: The name by which the user asked for it.
        repo: The repository on the hub; empty for a local folder.
        revision: None for the main branch.
        folder: The local folder; None for a repository.
        variant: The variant of the weights; None for the plain ones.
        pieces: What is taken of it.
    """

    name: str
    repo: str
    revision: str | None = None
    folder: Path | None = None
    variant: str | None = None
    pieces: Pieces = ALL


def find_targets(
    models: Iterable[str], revision: str | None = None, variant: str | None = None
) -> tuple[Target, ...]:
    """Returns the targets for these names, files and repositories, each of them once.

    Raises:
        UsageError: A preset does not exist, is wrong or takes no revision or variant, or no
            repository can have the given name.
    """
    return once(target for model in models for target in _find_targets(model, revision, variant))


def every_target(revision: str | None = None, variant: str | None = None) -> tuple[Target, ...]:
    """Returns the targets of all presets that are repositories of the hub."""
    presets = [load_preset(file.file) for file in available_presets()]
    return once(
        target
        for preset in presets
        if preset.repo
        for target in targets_of(preset, preset.name, revision, variant)
    )


def once(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Returns the targets without those that fetch the same under another name."""
    by_place: dict[Target, Target] = {}
    for target in targets:
        by_place.setdefault(replace(target, name=""), target)
    return tuple(by_place.values())


def targets_of(
    preset: Preset, name: str, revision: str | None = None, variant: str | None = None
) -> tuple[Target, ...]:
    """Returns the target of a preset, and those of what it takes from elsewhere.

    Args:
        preset: The preset.
        name: The name by which the user asked for it.
        revision: Another revision of its own repository; None for the preset's.
        variant: Another variant of its weights; None for the preset's.

    Raises:
        UsageError: A revision or a variant is given for a preset that is a folder.
    """
    own, *others = sources_of(preset)
    further = tuple(
        Target(source.name, source.repo, source.revision, None, source.variant, source.pieces)
        for source in others
        if source.repo
    )
    target = _own_target(preset, name, revision, variant)
    return replace(target, pieces=own.pieces), *further


def _own_target(preset: Preset, name: str, revision: str | None, variant: str | None) -> Target:
    if preset.repo:
        wanted = variant or preset.variant
        return Target(name, preset.repo, revision or preset.revision, variant=wanted)
    for option, value in {"revision": revision, "variant": variant}.items():
        if value:
            raise UsageError(
                f"{option} is {verbatim(value)}, but {verbatim(name)} is a local folder",
                f"leave out {{{option}:name}}",
                {option: None},
            )
    return Target(name, "", folder=preset.path)


def _find_targets(model: str, revision: str | None, variant: str | None) -> tuple[Target, ...]:
    is_file = isfile(model)  # noqa: PTH113 - that of Path raises where a name is too long
    if is_file or "/" not in model or model.endswith((".yaml", ".yml")):
        return targets_of(find_preset(model), model, revision, variant)
    if is_repository(model):
        return (Target(model, model, revision, variant=variant),)
    raise UsageError(f"{model} is not the name of a repository", _guess_repository(model))


def _guess_repository(model: str) -> str:
    """Makes a hint from an address of the hub, or from a name with a revision."""
    address, _, revision = model.partition("@")
    name = "/".join(urlsplit(address).path.strip("/").split("/")[:2])
    if not is_repository(name):
        return "write owner/name, as in black-forest-labs/FLUX.1-schnell"
    return f"try `chords download {name}{f' --revision {revision}' if revision else ''}`"
