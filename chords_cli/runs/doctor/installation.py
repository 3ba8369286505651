"""What is installed: Python, the packages and their supported range, ffmpeg."""

import platform
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from chords_cli.errors import ChordsError, Spell
from chords_cli.records.doctor import Check
from chords_cli.runs.doctor.checks import INSTALLATION
from chords_cli.runs.doctor.notes import Notes

_DISTRIBUTION = "chords-cli"

_FIRST = ("diffusers", "transformers", "accelerate", "safetensors", "huggingface-hub")
"""The packages that people ask for; the others are counted where all is well."""

_NOT_TOLD = ("dev", "benchmarks", "all", "edit")
"""The extras that no user needs, and those whose packages are other extras'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A package that this one needs, or can use.

    Attributes:
        wanted: The range of versions.
        installed: The version; None where it is not installed.
        extra: The part of this package that needs it; empty where all do.
    """

    name: str
    wanted: SpecifierSet
    installed: str | None
    extra: str = ""

    @property
    def fits(self) -> bool:
        """Whether it is installed in the range."""
        return self.installed is not None and self.wanted.contains(self.installed, prereleases=True)

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"pip install '{self.name}{self.wanted}'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What this package's metadata says that it needs.

    Attributes:
        version: Its own.
        python: The range of Python's versions.
    """

    version: str
    python: SpecifierSet
    packages: tuple[Package, ...]


def read_needs() -> Needs:
    """Reads what this package needs, from its metadata.

    Raises:
        ChordsError: It is not installed.
    """
    try:
        told = metadata(_DISTRIBUTION)
    except PackageNotFoundError as error:
        raise ChordsError(
            f"{_DISTRIBUTION} is not installed, so nothing says which versions it needs",
            "install it: pip install -e . in its folder",
        ) from error
    lines = map(Requirement, told.get_all("Requires-Dist") or ())
    return Needs(
        version=told["Version"],
        python=SpecifierSet(told["Requires-Python"] or ""),
        packages=tuple(package for line in lines for package in _read(line)),
    )


def _read(line: Requirement) -> Iterator[Package]:
    """Yields the package that a line is about, unless it is not told or for another system."""
    named = re.search(r"extra == ['\"]([\w-]+)['\"]", str(line.marker or ""))
    extra = named[1] if named else ""
    if extra in _NOT_TOLD or (line.marker and not line.marker.evaluate({"extra": extra})):
        return
    installed = None
    with suppress(PackageNotFoundError):
        installed = version(line.name)
    yield Package(name=line.name, wanted=line.specifier, installed=installed, extra=extra)


def look(notes: Notes, kind: str) -> None:
    """Makes the checks of this file for a model that makes images or videos."""
    needs = notes.value(INSTALLATION, "packages", read_needs)
    if needs is not None:
        notes.check(INSTALLATION, "python", lambda: check_python(needs))
        notes.check(INSTALLATION, "packages", lambda: check_packages(needs.packages, needs.version))
        notes.check(INSTALLATION, "extras", lambda: check_extras(needs.packages))
    notes.check(INSTALLATION, "ffmpeg", lambda: check_ffmpeg(kind, notes.spell))


def find_package(name: str) -> Package | None:
    """Returns what is needed of a package; None where nothing says it."""
    with suppress(ChordsError):
        return next((one for one in read_needs().packages if one.name == name), None)
    return None


def check_python(needs: Needs, running: str = platform.python_version()) -> Check:
    """Looks at Python's version."""
    found = f"{running} in {sys.prefix}"
    if needs.python.contains(running, prereleases=True):
        return INSTALLATION.ok("python", found)
    return INSTALLATION.fail(
        "python",
        f"{found}; chords {needs.version} needs {needs.python}",
        "make an environment with another Python",
    )


def check_packages(packages: Sequence[Package], release: str) -> Iterator[Check]:
    """Looks at all packages but torch: a line for each that is wrong, and one for all others.

    Args:
        packages: Those that are needed, and those that extras need.
        release: The version of this package.
    """
    needed = [one for one in packages if not one.extra and one.name != "torch"]
    for one in needed:
        if one.installed is None:
            yield INSTALLATION.fail(one.name, "it is not installed", one.requirement)
        elif not one.fits:
            found = f"{one.installed}, but chords {release} needs {one.wanted}"
            yield INSTALLATION.fail(one.name, found, one.requirement)
    well = {one.name: one for one in needed if one.fits}
    known = {name.replace("_", "-"): one for name, one in well.items()}
    named = [f"{name} {known[name].installed}" for name in _FIRST if name in known]
    others = f" and {len(well) - len(named)} more" if len(well) > len(named) else ""
    yield INSTALLATION.ok("packages", f"{', '.join(named)}{others}, as chords {release} needs them")


def check_extras(packages: Sequence[Package]) -> Check:
    """Looks at what only some presets and options need."""
    extras = [one for one in packages if one.extra]
    found = ", ".join(
        f"{one.name} {one.installed or 'not installed'} ({one.extra})" for one in extras
    )
    wrong = [one for one in extras if one.installed and not one.fits]
    if wrong:
        needed = ", ".join(f"{one.name}{one.wanted}" for one in wrong)
        return INSTALLATION.warn("extras", f"{found}; needed is {needed}", wrong[0].requirement)
    return INSTALLATION.ok("extras", found or "there are none")


def check_ffmpeg(kind: str, spell: Spell) -> Check:
    """Looks at what encodes videos; pictures need none."""
    from chords_cli.media.videos import check_encoder, encoder_version

    try:
        found = encoder_version()
        check_encoder()
    except ChordsError as error:
        message, hint = error.spelled(spell)
        if kind == "video":
            return INSTALLATION.fail("ffmpeg", message, hint)
        return INSTALLATION.warn("ffmpeg", f"{message}; only videos need it", hint)
    return INSTALLATION.ok("ffmpeg", f"{found} with encoder libx264")
