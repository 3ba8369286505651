"""docs/architecture.md tells the truth: its paths exist, and its map is the code's."""

import re

import pytest

from tests.unit.test_layers import FILES, PACKAGE, forbidden, imported, module_of

ROOT = PACKAGE.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text()
LONGEST = 120

ROW = re.compile(r"^\| `(?P<place>[^`]+)` \|.*\|(?P<imports>[^|]*)\|$", re.MULTILINE)
MAP = {row["place"]: re.findall(r"`([^`]+)`", row["imports"]) for row in ROW.finditer(TEXT)}
"""Per place of the map, a folder or a file, the places that it may import from."""

EVERYWHERE = "errors.py"
NOT_ON_THE_MAP = ["__main__.py", "runs/__init__.py"]
MADE_BY_COMMANDS = {"compare.html", "run.json"}

MODULES = {module_of(file): file for file in FILES}


def paths(text: str) -> set[str]:
    """Returns all that is written like the name of a file or a folder."""
    return set(re.findall(r"`([\w.-]*/[\w./-]*|\w+\.(?:py|md|json|html|yaml))`", text))


def place_of(file: str) -> str | None:
    """Returns the longest place of the map that `file` is in."""
    return max((place for place in MAP if file.startswith(place)), key=len, default=None)


def imports(file: str) -> set[str]:
    """Returns our own files that `file` imports when it runs."""
    names = set(imported((PACKAGE / file).read_text())) - {"chords_cli"}
    return {MODULES[name] for name in names if name in MODULES}


def test_it_is_short_enough_to_be_read():
    assert len(TEXT.splitlines()) <= LONGEST


def test_every_path_exists():
    missing = {p for p in paths(TEXT) if not any((at / p).exists() for at in (PACKAGE, ROOT))}
    assert missing <= MADE_BY_COMMANDS


def test_paths_are_told_from_other_names():
    text = "`cli/app.py` and `ui/`, `errors.py`, `docs/architecture.md`; `Plan`, `--cores 4`"
    assert paths(text) == {"cli/app.py", "ui/", "errors.py", "docs/architecture.md"}


def test_every_file_has_a_place_on_the_map():
    assert [file for file in FILES if place_of(file) is None] == NOT_ON_THE_MAP


@pytest.mark.parametrize("file", [file for file in FILES if file not in NOT_ON_THE_MAP])
def test_the_map_has_what_a_file_imports(file):
    place = place_of(file)
    known = (place, EVERYWHERE, *MAP[place])
    assert [other for other in sorted(imports(file)) if not other.startswith(known)] == []


@pytest.mark.parametrize("place", MAP)
def test_the_map_shows_no_import_that_nobody_needs_or_a_layer_forbids(place):
    files = [file for file in FILES if place_of(file) == place]
    used = set().union(*map(imports, files))
    assert [to for to in MAP[place] if not any(file.startswith(to) for file in used)] == []
    refused = {name.removeprefix("chords_cli.").replace(".", "/") for name in forbidden(place)}
    assert [to for to in MAP[place] if to.removesuffix(".py").rstrip("/") in refused] == []
