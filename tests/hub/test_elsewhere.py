"""A model that takes components from another repository: fetched, found, and loaded."""

import json
from contextlib import ExitStack

import pytest

from tests.hub.conftest import Place
from tests.hub.opened import opened_in
from tests.hub.repositories import FLUX, FLUX_NEEDS, PARTS, PARTS_NEEDS
from tests.hub.server import TOKEN

ELSEWHERE = f"""
components:
  vae: {{repo: {PARTS}}}
  text_encoder_2: {{repo: {PARTS}, subfolder: models/t5, offload: never}}
"""

OWN_NEEDS = {path for path in FLUX_NEEDS if not path.startswith(("vae/", "text_encoder_2/"))}
"""What a run opens of FLUX then."""

MINE = ["--model", "mine.yaml", "--devices", "cpu", "--cores", "2"]


@pytest.fixture
def mine(place: Place) -> Place:
    """A place where the preset `mine.yaml` is FLUX with two components from elsewhere."""
    preset = (place.home / "config" / "chords" / "presets" / "my-flux.yaml").read_text()
    own = preset.replace("name: my-flux", "name: mine")
    (place.home / "mine.yaml").write_text(own + ELSEWHERE)
    return place


def test_a_component_from_elsewhere_is_fetched_and_loaded_in_place_of_the_models_own(mine):
    done = mine.chords("download", "mine.yaml", HF_TOKEN=TOKEN)
    assert done.stdout == f"{mine.snapshot(FLUX)}\n{mine.snapshot(PARTS)}\n"
    assert mine.same(PARTS, PARTS_NEEDS)
    assert mine.same(FLUX, OWN_NEEDS)
    mine.hub.seen.clear()
    stores = {FLUX: OWN_NEEDS, PARTS: PARTS_NEEDS}
    with ExitStack() as watches:
        opened = {
            repo: watches.enter_context(opened_in(mine.store(repo) / "blobs")) for repo in stores
        }
        mine.chords("image", *MINE, "--output", "made", HF_HUB_OFFLINE="1")
    for repo, needed in stores.items():
        assert opened[repo] == {mine.hub.repos[repo].files[path].etag for path in needed}
    assert mine.hub.seen == []


def test_a_run_without_them_says_what_to_type_and_fetches_what_lacks(mine):
    mine.chords("download", "my-flux", HF_TOKEN=TOKEN)
    refused = mine.chords("image", *MINE, code=2)
    assert refused.stderr == (
        f"error: {PARTS} is not on this machine\n"
        "hint: fetch it first: chords download PRESET.yaml, or add --download\n"
    )
    document = json.loads(mine.chords("image", *MINE, "--dry-run", "--json").stdout)
    assert document["missing"].startswith(
        f"{FLUX} is not complete on this machine: {PARTS} is not on this machine; type "
    )
    mine.hub.seen.clear()
    mine.chords("image", *MINE, "--download", HF_TOKEN=TOKEN)
    assert set(mine.hub.fetched()) == PARTS_NEEDS
    (mine.snapshot(PARTS) / "models" / "t5" / "config.json").unlink()
    refused = mine.chords("image", *MINE, code=2)
    assert refused.stderr.startswith(
        f"error: {PARTS} is not complete on this machine: there is no models/t5/config.json"
    )


def test_all_of_it_is_listed_with_its_size_and_verified(mine):
    (mine.home / "mine.yaml").rename(mine.home / "config" / "chords" / "presets" / "mine.yaml")
    document = json.loads(mine.chords("download", "--json").stdout)
    rows = {row["name"]: row for row in document}
    parts = mine.hub.repos[PARTS].size_of(PARTS_NEEDS)
    assert (rows["mine"]["others"], rows["mine"]["exact"]) == ([PARTS], True)
    own, replaced = (mine.hub.repos[FLUX].size_of(of) for of in (OWN_NEEDS, FLUX_NEEDS - OWN_NEEDS))
    assert rows["mine"]["bytes"] == rows["my-flux"]["bytes"] - replaced + parts
    mine.chords("download", "mine", HF_TOKEN=TOKEN)
    shown = json.loads(mine.chords("presets", "mine", "--json").stdout)
    assert (shown["weights"]["state"], shown["weights"]["bytes"]) == ("complete", own + parts)
    verified = json.loads(mine.chords("presets", "mine", "--verify", "--json").stdout)
    assert set(verified["files"]) == OWN_NEEDS | {f"{PARTS}/{path}" for path in PARTS_NEEDS}
    assert verified["intact"]
