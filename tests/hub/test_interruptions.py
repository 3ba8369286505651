"""Downloads over bad lines, killed downloads, and several at once."""

import json
import signal

import pytest

from chords_cli.hub.transfer import DELAYS
from tests.hub.repositories import FLUX, FLUX_NEEDS, WAN, WAN_NEEDS, inflated
from tests.hub.server import TOKEN, Fault
from tests.waiting import HANG, ended, until

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20
WEIGHTS = "diffusion_pytorch_model-00001-of-00002.safetensors"


@pytest.fixture
def big_flux(place) -> None:
    """Seven files of weights of 3 MB each: the line can be cut in the middle of them."""
    place.hub.repos[FLUX] = inflated(place.hub.repos[FLUX], 3 * MEGABYTE)


def complete(place, repo: str) -> set[str]:
    """The files whose content is in the cache under its hash."""
    blobs = {path.name for path in (place.store(repo) / "blobs").glob("*")}
    files = place.hub.repos[repo].files.items()
    return {path for path, file in files if file.etag in blobs}


def parts(place, repo: str) -> list[int]:
    """The sizes of the files that were cut."""
    return [path.stat().st_size for path in (place.store(repo) / "blobs").glob("*.incomplete")]


def stalled_at(place, share: float, repo: str, needed: set[str]):
    """A download that has stalled after that share of all bytes."""
    place.hub.stop_after = int(share * place.hub.repos[repo].size_of(needed))
    process = place.start("download", repo, "--max-workers", "1", HF_TOKEN=TOKEN)
    assert place.hub.stalled.wait(HANG)
    until(lambda: any(parts(place, repo)), "a part of a file")
    return process


@pytest.mark.usefixtures("big_flux")
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_killed_download_goes_on_where_it_was(place, share):
    process = stalled_at(place, share, FLUX, FLUX_NEEDS)
    process.kill()
    process.wait()
    there, cut = complete(place, FLUX), [size for size in parts(place, FLUX) if size]
    assert cut
    assert not (place.snapshot(FLUX) / "model_index.json").exists()
    state = json.loads(place.chords("presets", "my-flux", "--json").stdout)["weights"]
    assert state["state"] == "partial"
    place.hub.seen.clear()
    place.hub.stop_after = None
    place.chords("download", FLUX, HF_TOKEN=TOKEN)
    assert place.same(FLUX, FLUX_NEEDS)
    assert there.isdisjoint(place.hub.fetched())
    assert sorted(place.hub.resumed()) == sorted(f"bytes={size}-" for size in cut)
    assert parts(place, FLUX) == []


@pytest.mark.usefixtures("big_flux")
def test_ctrl_c_ends_with_130_and_leaves_what_resumes(place):
    process = stalled_at(place, 0.5, FLUX, FLUX_NEEDS)
    process.send_signal(signal.SIGINT)
    out, err = ended(process)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted"
    assert "Traceback" not in err
    there = complete(place, FLUX)
    place.hub.seen.clear()
    place.hub.stop_after = None
    place.chords("download", FLUX, HF_TOKEN=TOKEN)
    assert place.same(FLUX, FLUX_NEEDS)
    assert there.isdisjoint(place.hub.fetched())
    assert place.hub.resumed()


@pytest.mark.usefixtures("big_flux")
@pytest.mark.parametrize(("kind", "patience"), [("drop", int(HANG)), ("stall", 1)])
def test_a_line_that_breaks_or_hangs_is_taken_up_again(place, kind, patience):
    shard = "transformer/diffusion_pytorch_model-00002-of-00003.safetensors"
    cut = 2 * MEGABYTE
    place.hub.faults.append(Fault(shard, kind, after=cut + 1000))
    done = place.chords("download", FLUX, HF_TOKEN=TOKEN, HF_HUB_DOWNLOAD_TIMEOUT=str(patience))
    assert place.same(FLUX, FLUX_NEEDS)
    assert f"bytes={cut}-" in place.hub.resumed()
    assert [line for line in done.stderr.splitlines() if line.startswith(f"{shard}: ")]


@pytest.mark.usefixtures("big_flux")
def test_a_hub_that_does_not_resume_sends_the_file_again(place):
    shard = "transformer/diffusion_pytorch_model-00002-of-00003.safetensors"
    place.hub.faults += [Fault(shard, "drop", after=2 * MEGABYTE), Fault(shard, "ignore")]
    place.chords("download", FLUX, HF_TOKEN=TOKEN)
    assert place.same(FLUX, FLUX_NEEDS)


@pytest.mark.parametrize(
    ("path", "status", "headers", "words"),
    [
        (WEIGHTS, 500, {}, "the hub answered 500; again in 0.50 s"),
        (WEIGHTS, 429, {"Retry-After": "1"}, "the hub answered 429; again in 1.00 s"),
        (f"models/{WAN}", 503, {}, ""),
    ],
)
def test_a_busy_hub_is_asked_again(place, path, status, headers, words):
    kind = "status" if path.startswith("models/") else "busy"
    place.hub.faults.append(Fault(path, kind, status=status, headers=headers))
    done = place.chords("download", WAN)
    assert place.same(WAN, WAN_NEEDS)
    assert words in done.stderr


def test_a_hub_that_stays_busy_ends_the_download_with_what_to_do(place, monkeypatch):
    monkeypatch.setattr("chords_cli.hub.transfer.DELAYS", (0.01,) * len(DELAYS))
    place.hub.faults.append(Fault(WEIGHTS, "busy", times=99, status=503))
    done = place.chords("download", WAN, code=1)
    message, hint = done.stderr.splitlines()[-2:]
    assert message == f"error: transformer/{WEIGHTS} could not be fetched: the hub answered 503"
    assert hint == "hint: the same command goes on where this one ended"
    asked = [path for path in place.hub.fetched() if path.endswith(WEIGHTS)]
    assert len(asked) == len(DELAYS) + 1
    assert complete(place, WAN) >= {"vae/diffusion_pytorch_model.safetensors"}
    assert not (place.snapshot(WAN) / "model_index.json").exists()


@pytest.mark.parametrize("kind", ["wrong", "short"])
def test_a_file_that_came_wrong_is_fetched_again(place, kind):
    place.hub.faults.append(Fault(WEIGHTS, kind))
    done = place.chords("download", WAN)
    assert place.same(WAN, WAN_NEEDS)
    assert f"transformer/{WEIGHTS}: " in done.stderr


def test_a_file_that_comes_wrong_twice_is_refused_and_not_kept(place):
    place.hub.faults.append(Fault(WEIGHTS, "wrong", times=99))
    done = place.chords("download", WAN, code=1)
    message, hint = done.stderr.splitlines()[-2:]
    assert message.startswith(f"error: transformer/{WEIGHTS} came with the hash ")
    assert message.endswith(", twice")
    assert hint == "hint: what the hub sends is not what it lists; try again later"
    assert f"transformer/{WEIGHTS}" not in complete(place, WAN)


def test_rubbish_in_a_part_file_does_not_survive(place):
    file = place.hub.repos[WAN].files[f"transformer/{WEIGHTS}"]
    part = place.store(WAN) / "blobs" / f"{file.etag}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    place.chords("download", WAN)
    assert place.same(WAN, WAN_NEEDS)


@pytest.mark.usefixtures("big_flux")
def test_two_downloads_at_once_share_the_work(place):
    both = [place.start("download", FLUX, "--quiet", HF_TOKEN=TOKEN) for _ in range(2)]
    for process in both:
        out, err = ended(process)
        assert (process.returncode, out, err) == (0, f"{place.snapshot(FLUX)}\n", "")
    assert place.same(FLUX, FLUX_NEEDS)
    large = [path for path in place.hub.fetched() if path.endswith(".safetensors")]
    assert sorted(large) == sorted(path for path in FLUX_NEEDS if path.endswith(".safetensors"))


def test_a_download_waits_for_another_that_is_killed_and_takes_over(place):
    place.hub.faults.append(Fault(WEIGHTS, "stall", after=10_000))
    first = place.start("download", WAN)
    assert place.hub.stalled.wait(HANG)
    second = place.start("download", WAN)
    assert second.stderr
    waiting = f"transformer/{WEIGHTS}: another process is fetching it; again in 1.00 s\n"
    assert waiting in iter(second.stderr.readline, "")
    first.kill()
    ended(second)
    assert second.returncode == 0
    assert place.same(WAN, WAN_NEEDS)
