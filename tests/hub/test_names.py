"""What a hub calls its files never leads out of the cache."""

from pathlib import Path
from typing import Any

import pytest

from chords_cli.hub.names import strange_name
from tests.hub.conftest import Place
from tests.hub.content import File
from tests.hub.repositories import WAN, WAN_NEEDS
from tests.hub.server import _Handler

COMMIT, HASH = "c" * 40, "a" * 64
NAMES = ["../x", "a/../../x", "/etc/x", "a//x", "./x", "..", "", "a\0b", "a/", "vae/.."]
BACKSLASHES = "..\\..\\evil.json"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_out_of_its_folder_is_strange(name):
    assert strange_name(COMMIT, {"model_index.json": HASH, name: HASH}) == name


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "", "a" * 41, "A" * 40, f"{HASH}/../x"])
def test_a_hash_that_is_none_is_strange_wherever_it_stands(name):
    assert strange_name(name, {}) == name
    assert strange_name(COMMIT, {"model_index.json": name}) == name


def test_what_git_allows_is_not_strange():
    assert (
        strange_name(COMMIT, {"a/..b": HASH, "a b/c\u00e9.json": COMMIT, BACKSLASHES: HASH}) is None
    )


def everything(folder: Path) -> set[Path]:
    return {*folder.rglob("*")}


def add(place: Place, *names: str) -> None:
    """Adds files to a repository of the place's hub."""
    repo = place.hub.repos[WAN]
    repo.files = repo.files | {name: File(b"{}") for name in names}


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_that_lists_such_a_name_is_refused(name, place):
    add(place, name)
    before = everything(place.home)
    done = place.chords("download", WAN, code=1)
    assert f"{place.hub.endpoint} does not answer like a Hugging Face hub: it lists " in done.stderr
    assert everything(place.home) == before


def test_backslashes_and_names_that_differ_in_case_alone_stay_in_the_cache(place):
    add(place, BACKSLASHES, "VAE/config.json", "C:\\evil.json")
    place.chords("download", WAN)
    assert place.same(WAN, WAN_NEEDS)
    assert not list(place.home.parent.rglob("*evil*"))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ETag", '"../../../../escaped"'),
        ("X-Linked-Etag", '"../../../../escaped"'),
        ("X-Repo-Commit", "../../../../escaped"),
        ("ETag", '"{home}/escaped"'),
    ],
)
def test_headers_that_name_files_do_not_lead_out_of_the_cache(header, value, place, monkeypatch):
    head: Any = _Handler._head
    value = value.replace("{home}", str(place.home))

    def answer(self: Any, status: int, length: int, headers: dict[str, str]) -> None:
        head(self, status, length, {**headers, header: value} if header in headers else headers)

    monkeypatch.setattr(_Handler, "_head", answer)
    done = place.chords("download", WAN, code=1)
    told = f"its {header} is {value.strip(chr(34))[:80]!r}, which is no name of a file"
    assert f"{place.hub.endpoint} does not answer like a Hugging Face hub: {told}" in done.stderr
    assert not list(place.home.rglob("*escaped*"))
    outside = [path for path in everything(place.home) if place.cache not in path.parents]
    assert all(place.home / "config" in path.parents or path.is_dir() for path in outside)


@pytest.mark.parametrize("weak", ["", "W/"])
def test_hashes_of_mirrors_are_no_paths(weak, place, monkeypatch):
    head: Any = _Handler._head

    def answer(self: Any, status: int, length: int, headers: dict[str, str]) -> None:
        told = headers.get("ETag", "").strip('"')
        own = {"ETag": f'{weak}"sha256:+{told}..=="'} if told else {}
        head(self, status, length, headers | own)

    monkeypatch.setattr(_Handler, "_head", answer)
    place.chords("download", WAN)
    assert place.same(WAN, WAN_NEEDS)
