"""Who may have what, what the others read, and where tokens are not seen."""

import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from chords_cli.hub.client import Hub
from chords_cli.hub.transfer import Watch
from tests.hub.content import File, Repo
from tests.hub.repositories import FLUX, FLUX_NEEDS, WAN, WAN_NEEDS
from tests.hub.server import STRANGER, TOKEN, Fault

WATCH = Watch(lambda done: None, lambda reason, seconds: None, threading.Event())
"""Nobody watches."""


def refused(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The two lines of an error, the first without its label."""
    message, hint = done.stderr.splitlines()
    assert done.stdout == ""
    return [message.removeprefix("error: "), hint.removeprefix("hint: ")]


def test_a_gated_model_names_the_licence_page_and_the_login(place):
    done = place.chords("download", "my-flux", code=1)
    page = f"{place.hub.endpoint}/{FLUX}"
    assert refused(done) == [
        f"{FLUX} is gated, and you are not logged in",
        f"accept the licence at {page}, then `hf auth login` or set HF_TOKEN",
    ]
    assert not place.store(FLUX).exists()


def test_a_token_without_access_is_told_where_to_ask_for_it(place):
    done = place.chords("download", "my-flux", "--dry-run", code=1, HF_TOKEN=STRANGER)
    message, hint = refused(done)
    assert message == f"{FLUX} is gated, and your token has no access to it"
    assert hint.startswith(f"accept the licence at {place.hub.endpoint}/{FLUX} with the token's ")
    assert "fine-grained token must allow public gated repositories" in hint
    assert "`hf auth login` or set HF_TOKEN" in hint


def test_what_hf_auth_login_left_is_used(place):
    home = Path(place.environment["HF_HOME"])
    home.mkdir()
    (home / "token").write_text(TOKEN)
    place.chords("download", "my-flux")
    assert place.same(FLUX, FLUX_NEEDS)


def test_a_private_repository_looks_like_one_that_does_not_exist(place):
    place.hub.repos[WAN].private = True
    for repo in (WAN, "nobody/nothing"):
        message, hint = refused(place.chords("download", repo, code=1))
        assert message == f"{place.hub.endpoint} has no repository {repo}, or it is private"
        assert hint == (
            f"check the name at {place.hub.endpoint}/{repo}; "
            "if it is private, `hf auth login` or set HF_TOKEN"
        )
    message, hint = refused(place.chords("download", WAN, code=1, HF_TOKEN=STRANGER))
    assert message == f"{place.hub.endpoint} has no repository {WAN}, or it is private"
    assert hint.endswith("your token's account must have access (`hf auth whoami`)")
    place.chords("download", WAN, HF_TOKEN=TOKEN)
    assert place.same(WAN, WAN_NEEDS)


def test_a_forbidden_file_is_not_asked_for_again(place):
    place.hub.faults.append(Fault("model_index.json", "status", times=99, status=403))
    message, hint = refused(place.chords("download", WAN, code=1, HF_TOKEN=TOKEN))
    assert message == f"{place.hub.endpoint} forbids access to {WAN}"
    assert f"{place.hub.endpoint}/{WAN}" in hint
    assert "`hf auth login` or set HF_TOKEN" in hint
    assert len([seen for seen in place.hub.seen if "/resolve/" in seen.path]) == 1


def test_a_file_that_the_hub_has_lost_is_refused(place):
    lost = {"X-Error-Code": "EntryNotFound"}
    place.hub.faults.append(Fault("vae/config.json", "status", times=99, status=404, headers=lost))
    message, _ = place.chords("download", WAN, code=1).stderr.splitlines()[-2:]
    assert message == f"error: {WAN} lists a file that {place.hub.endpoint} does not have"
    assert not place.snapshot(WAN).joinpath("model_index.json").exists()


def test_an_unknown_revision_is_named(place):
    done = place.chords("download", "my-wan", "--revision", "v9", code=1)
    assert refused(done) == [
        f"{WAN} has no revision 'v9'",
        f"{place.hub.endpoint}/{WAN}/tree/main lists its branches and tags",
    ]


def test_a_token_that_the_hub_does_not_know_is_refused(place):
    done = place.chords("download", WAN, code=1, HF_TOKEN="hf_unknown", CHORDS_DEBUG="1")
    message, hint = done.stderr.splitlines()[-2:]
    assert message == f"error: {place.hub.endpoint} does not accept your token"
    assert hint == (
        f"hint: make a new one at {place.hub.endpoint}/settings/tokens, "
        "then `hf auth login` or set HF_TOKEN"
    )
    assert "hf_unknown" not in done.stdout + done.stderr


def test_a_token_with_spaces_is_refused_before_it_is_sent(place):
    done = place.chords("download", WAN, code=2, HF_TOKEN="hf_one two", CHORDS_DEBUG="1")
    assert "error: the token has spaces or letters that no token has" in done.stderr
    assert "hf_one" not in done.stderr
    assert place.hub.seen == []


def test_without_a_network_the_error_tells_what_runs_without(place):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        message, hint = refused(place.chords("download", WAN, code=1, HF_ENDPOINT=address))
    assert message == f"{address} cannot be reached: [Errno 111] Connection refused"
    assert hint.startswith("check the network, and HTTPS_PROXY and HF_ENDPOINT")


def test_offline_what_is_there_is_found_and_what_is_not_is_named(place):
    done = place.chords("download", "my-wan", code=1, HF_HUB_OFFLINE="1")
    assert refused(done) == [
        f"HF_HUB_OFFLINE is set, and {WAN} is not complete on this machine",
        "unset HF_HUB_OFFLINE and type the same command again",
    ]
    place.chords("download", "my-wan")
    done = place.chords("download", "my-wan", HF_HUB_OFFLINE="1")
    assert done.stdout == f"{place.snapshot(WAN)}\n"


@pytest.mark.parametrize("address", ["huggingface.co", "http:"])
def test_an_endpoint_that_is_no_address_is_refused(place, address):
    done = place.chords("download", WAN, code=2, HF_ENDPOINT=address)
    assert refused(done)[0] == (
        f"HF_ENDPOINT is {address!r}, but must be an address such as https://huggingface.co"
    )


@pytest.mark.parametrize("path", ["/nothing/here", "/plain"])
def test_an_endpoint_that_is_no_hub_is_refused(place, path):
    address = place.hub.endpoint + path
    message, hint = refused(place.chords("download", WAN, code=1, HF_ENDPOINT=address))
    assert message.startswith(f"{address} does not answer like a Hugging Face hub: ")
    assert hint == "check HF_ENDPOINT: without it the hub is https://huggingface.co"


def test_a_custom_endpoint_appears_without_its_password_and_its_last_slash(place):
    secret = place.hub.endpoint.replace("http://", "http://me:secret@") + "/"
    done = place.chords("download", "nobody/nothing", code=1, HF_ENDPOINT=secret)
    assert f"check the name at {place.hub.endpoint}/nobody/nothing;" in done.stderr
    assert "secret" not in done.stderr


def test_the_token_is_seen_by_the_hub_alone(place):
    weights = "diffusion_pytorch_model-00001-of-00003.safetensors"
    place.hub.faults.append(Fault(weights, "stall", after=1000))
    loud = {"HF_DEBUG": "1", "CHORDS_DEBUG": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}
    done = place.process("download", "my-flux", HF_TOKEN=TOKEN, **loud)
    assert done.stdout == f"{place.snapshot(FLUX)}\n"
    assert TOKEN not in done.stderr
    assert {seen.token for seen in place.hub.seen if seen.path.startswith("/cdn/")} == {None}
    assert TOKEN in {seen.token for seen in place.hub.seen}
    written = (path for path in place.home.rglob("*") if path.is_file())
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []


def test_a_hubs_address_and_cache_can_be_given(place, tmp_path):
    with place.entered(HF_ENDPOINT="http://127.0.0.1:9"):
        hub = Hub(place.hub.endpoint, tmp_path / "other")
        listing = hub.listing(WAN, "v1")
        hub.fetch(listing, listing.files["vae/config.json"], WATCH)
        link = hub.link(listing, "vae/config.json")
    assert listing.commit == place.hub.repos[WAN].commit
    assert link == hub.snapshot(listing) / "vae/config.json"
    assert link.is_relative_to(tmp_path / "other")
    assert link.read_bytes() == place.hub.repos[WAN].files["vae/config.json"].content
    assert not place.cache.exists()


def test_with_json_a_refusal_is_one_document(place):
    done = place.chords("download", "my-flux", "--json", code=1)
    error = json.loads(done.stdout)["error"]
    assert (error["message"], done.stderr) == (
        f"{FLUX} is gated, and you are not logged in",
        "",
    )


def test_the_token_is_not_in_a_document(place):
    done = place.chords("download", FLUX, "--json", "--dry-run", HF_TOKEN=TOKEN)
    assert TOKEN not in done.stdout + done.stderr


def test_a_cache_that_cannot_be_written_is_named(place):
    (place.home / "file").write_text("in the way")
    done = place.chords("download", WAN, "--cache-dir", "file", code=1)
    message, hint = done.stderr.splitlines()[-2:]
    assert message.startswith(f"error: {place.home / 'file'}")
    assert "--cache-dir" in hint


def test_a_repository_that_moves_on_is_fetched_at_one_commit(place):
    place.chords("download", "my-wan")
    first = place.snapshot(WAN)
    files = dict(place.hub.repos[WAN].files)
    files["README.md"] = File(b"# A new page")
    place.hub.repos[WAN] = Repo(files)
    place.hub.seen.clear()
    place.chords("download", "my-wan")
    assert place.snapshot(WAN) != first
    assert place.same(WAN, WAN_NEEDS)
    assert place.hub.fetched() == []
