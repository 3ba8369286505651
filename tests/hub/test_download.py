"""`chords download`: what it fetches, what it leaves, and what it says."""

import json
import os
import pty
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir

from chords_cli.presets.files import available_presets, load_preset
from chords_cli.ui.format import size
from tests.doubles import tiny
from tests.hub.content import File, Repo
from tests.hub.repositories import FLUX, FLUX_NEEDS, WAN, WAN_NEEDS
from tests.hub.server import TOKEN, Fault
from tests.waiting import ended


def test_download_fetches_what_a_run_opens_and_nothing_else(place):
    done = place.process("download", "my-flux", HF_TOKEN=TOKEN)
    assert place.same(FLUX, FLUX_NEEDS)
    assert set(place.hub.fetched()) == FLUX_NEEDS
    assert done.stdout == f"{place.snapshot(FLUX)}\n"
    first, *files, last = done.stderr.splitlines()
    assert first.startswith("my-flux: 22 files, ")
    assert files[-1].startswith("22/22 ")
    assert last.endswith(" fetched and checked")


def test_a_second_download_fetches_nothing(place):
    place.chords("download", "my-wan")
    place.hub.seen.clear()
    done = place.chords("download", "my-wan")
    assert place.hub.fetched() == []
    assert done.stdout == f"{place.snapshot(WAN)}\n"
    assert done.stderr.splitlines()[-1] == "nothing to fetch: all is there"


def test_a_repository_needs_no_preset_and_quiet_prints_the_paths_alone(place):
    done = place.chords("download", WAN, FLUX, "--quiet", HF_TOKEN=TOKEN)
    assert done.stdout == f"{place.snapshot(WAN)}\n{place.snapshot(FLUX)}\n"
    assert done.stderr == ""
    assert place.same(WAN, WAN_NEEDS)
    assert place.same(FLUX, FLUX_NEEDS)


def test_a_preset_file_and_its_name_are_the_same_download(place):
    file = place.home / "config" / "chords" / "presets" / "my-wan.yaml"
    done = place.chords("download", file, "--json", "--max-workers", "1")
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert document["fetched"] == document["bytes"] > 0
    model = document["models"][0]
    assert {entry["path"] for entry in model["files"]} == WAN_NEEDS
    assert (model["path"], model["repo"]) == (str(place.snapshot(WAN)), WAN)
    again = json.loads(place.chords("download", "my-wan", "--json").stdout)
    assert again["fetched"] == 0


def test_hf_sees_an_ordinary_cache(place):
    place.chords("download", "my-wan")
    cache = scan_cache_dir(place.cache)
    assert cache.warnings == []
    (repo,) = cache.repos
    (revision,) = repo.revisions
    assert (repo.repo_id, revision.refs) == (WAN, {"main"})
    assert len(revision.files) == len(WAN_NEEDS)


def test_dry_run_lists_files_with_sizes_and_writes_nothing(place):
    done = place.chords("download", "my-wan", "--dry-run")
    assert not place.cache.exists()
    assert place.hub.resumed() == []
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert rows["vae/diffusion_pytorch_model.safetensors"] == ["70.4", "kB", "70.4", "kB"]
    assert set(rows) >= WAN_NEEDS
    *_, sums, path = done.stdout.splitlines()
    amount = size(place.hub.repos[WAN].size_of(WAN_NEEDS))
    assert sums.startswith(f"15 files, {amount}; {amount} to fetch into ")
    assert sums.endswith(" free")
    assert path == str(place.snapshot(WAN))


def test_dry_run_marks_what_is_there(place):
    place.chords("download", "my-wan")
    vae = place.snapshot(WAN) / "vae" / "config.json"
    vae.resolve().unlink()
    vae.unlink()
    done = place.chords("download", "my-wan", "--dry-run")
    rows = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines() if line.strip()}
    assert rows["vae/diffusion_pytorch_model.safetensors"] == "-"
    assert rows["vae/config.json"] == "B"
    document = json.loads(place.chords("download", "my-wan", "--dry-run", "--json").stdout)
    assert document["dry_run"]
    assert document["to_fetch"] == place.hub.repos[WAN].files["vae/config.json"].size


def test_a_disk_that_is_too_small_is_refused_before_the_first_byte(place):
    huge = "vae/diffusion_pytorch_model.safetensors"
    place.hub.repos[WAN].claimed[huge] = 10**15
    done = place.chords("download", "my-wan", code=1)
    message, hint = done.stderr.splitlines()
    assert message.startswith("error: 1000000.0 GB are to be fetched, but ")
    assert hint == "hint: make room there, or name another folder with --cache-dir or HF_HOME"
    assert not place.store(WAN).exists()


def test_force_fetches_again_what_is_there(place):
    place.chords("download", "my-wan")
    blob = (place.snapshot(WAN) / "vae" / "config.json").resolve()
    blob.write_bytes(b"x" * blob.stat().st_size)
    place.hub.seen.clear()
    place.chords("download", "my-wan", "--force")
    assert set(place.hub.fetched()) >= WAN_NEEDS
    assert place.same(WAN, WAN_NEEDS)


def test_cache_dir_takes_the_files_elsewhere(place):
    done = place.chords("download", "my-wan", "--cache-dir", "elsewhere")
    path = Path(done.stdout.strip())
    assert path.is_relative_to(place.home / "elsewhere")
    assert (path / "model_index.json").is_file()
    assert not place.cache.exists()


def test_a_revision_is_kept_under_its_name(place):
    place.chords("download", WAN, "--revision", "v1")
    assert (place.store(WAN) / "refs" / "v1").read_text() == place.hub.repos[WAN].commit
    assert place.same(WAN, WAN_NEEDS)


def test_all_is_every_preset_of_a_repository(place):
    # the shipped presets' repositories are not on this hub: presets of the user's hide them
    for name in (file.name for file in available_presets() if load_preset(file.file).repo):
        shutil.copy(
            place.home / "config/chords/presets/my-wan.yaml",
            place.home / f"config/chords/presets/{name}.yaml",
        )
    done = place.chords("download", "--all", "--dry-run", "--json", HF_TOKEN=TOKEN)
    models = {model["model"] for model in json.loads(done.stdout)["models"]}
    assert {"my-flux", "my-wan"} <= models
    assert "demo-image" not in models


def test_without_a_name_there_is_a_table_of_presets(place):
    place.chords("download", "my-wan")
    rows = {row["name"]: row for row in json.loads(place.chords("download", "--json").stdout)}
    assert (rows["my-wan"]["state"], rows["my-wan"]["gated"]) == ("complete", False)
    assert rows["my-wan"]["bytes"] == place.hub.repos[WAN].size_of(WAN_NEEDS)
    assert (rows["my-flux"]["state"], rows["my-flux"]["gated"]) == ("absent", True)
    assert rows["my-flux"]["exact"]
    lines = place.chords("download", HF_HUB_OFFLINE="1").stdout.splitlines()
    mine = {line.split()[0]: line for line in lines if line.startswith("my-")}
    assert f"{size(rows['my-wan']['bytes'])}  downloaded" in mine["my-wan"]
    assert "about 400.0 MB  not downloaded" in mine["my-flux"]
    assert "  A licence (gated)" in mine["my-flux"]


def test_the_table_goes_on_past_a_broken_preset(place):
    (place.home / "config/chords/presets/broken.yaml").write_text("name: 7")
    done = place.chords("download", HF_HUB_OFFLINE="1")
    assert [line for line in done.stdout.splitlines() if line.startswith("my-flux ")]
    assert "broken.yaml: name is 7, but must be text" in done.stderr


def read_to_end(terminal: int) -> Iterator[str]:
    """What a terminal is sent until nobody writes to it any more."""
    with suppress(OSError), open(terminal, "rb", buffering=0) as stream:
        while block := stream.read(4096):
            yield block.decode(errors="replace")


def test_in_a_terminal_bars_show_bytes_and_speed(place):
    place.hub.faults.append(Fault("vae/diffusion_pytorch_model.safetensors", "drop"))
    terminal, screen = pty.openpty()
    process = place.start("download", "my-wan", stderr=screen, TERM="xterm")
    os.close(screen)
    shown = "".join(read_to_end(terminal))
    assert ended(process)[0] == f"{place.snapshot(WAN)}\n"
    assert "my-wan: 15 files, " in shown
    assert "vae/diffusion_pytorch_model.safetensors" in shown
    assert re.search(r"\d+\.\d/\d+\.\d kB", shown)
    assert shown.splitlines()[-1].endswith(" fetched and checked")


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (
            "vae/diffusion_pytorch_model.safetensors",
            "component vae has no diffusion_pytorch_model.safetensors: other formats are not "
            "loaded",
        ),
        ("model_index.json", "there is no model_index.json: it is not a diffusers repository"),
    ],
)
def test_a_repository_that_no_run_could_open_is_refused(place, lost, message):
    files = {name: file for name, file in place.hub.repos[WAN].files.items() if name != lost}
    place.hub.repos[WAN] = Repo(files)
    done = place.chords("download", WAN, code=1)
    assert done.stderr.splitlines()[0] == f"error: {WAN}: {message}"
    assert not place.store(WAN).exists()


def test_a_null_component_is_left_out(place):
    repo = place.hub.repos[WAN]
    index = json.loads(repo.files["model_index.json"].content) | {"vae": [None, None]}
    place.hub.repos[WAN] = Repo(repo.files | {"model_index.json": File(json.dumps(index).encode())})
    place.chords("download", WAN)
    assert {path for path in place.hub.fetched() if path.startswith("vae/")} == set()


def test_presets_tell_the_truth_about_the_cache(place):
    def weights() -> str:
        return place.chords("presets", "my-wan").stdout.splitlines()[0]

    assert weights() == "# weights: not downloaded"
    place.chords("download", "my-wan")
    amount = size(place.hub.repos[WAN].size_of(WAN_NEEDS))
    assert weights() == f"# weights: downloaded, {amount} in {place.snapshot(WAN)}"
    (place.snapshot(WAN) / "tokenizer" / "tokenizer.json").unlink()
    assert weights().startswith("# weights: incomplete, ")


def test_verify_compares_a_snapshot_with_the_hubs_hashes(place):
    place.chords("download", "my-wan")
    done = place.chords("presets", "my-wan", "--verify")
    commit = place.hub.repos[WAN].commit[:12]
    assert done.stdout.splitlines()[-1] == f"15 files as on the hub, commit {commit}"
    shard = place.snapshot(WAN) / "transformer/diffusion_pytorch_model-00001-of-00002.safetensors"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.resolve().write_bytes(content)
    (place.snapshot(WAN) / "vae" / "config.json").unlink()
    document = json.loads(place.chords("presets", "my-wan", "--verify", "--json", code=1).stdout)
    wrong = {path: found for path, found in document["files"].items() if found != "intact"}
    assert wrong == {
        "transformer/diffusion_pytorch_model-00001-of-00002.safetensors": "damaged",
        "vae/config.json": "missing",
    }
    place.chords("download", "my-wan", "--force")
    assert place.chords("presets", "my-wan", "--verify", "--json").returncode == 0


def test_a_variant_is_fetched_checked_and_told_where_the_preset_names_it(place):
    folder = place.home / "released"
    tiny.BUILDERS["wan"]().save_pretrained(folder, variant="fp16")
    place.hub.repos[WAN] = Repo.of(folder)
    done = place.chords("download", "my-wan", code=1)
    assert done.stderr == (
        f"error: {WAN}: component text_encoder has no model.safetensors, only weights of the "
        "variant fp16\nhint: write `variant: fp16` in the preset, or add --variant fp16\n"
    )
    preset = place.home / "config" / "chords" / "presets" / "my-wan.yaml"
    preset.write_text(preset.read_text() + "variant: fp16\n")
    place.chords("download", "my-wan")
    found = {path for path in place.hub.fetched() if path.endswith(".safetensors")}
    assert found == {
        "text_encoder/model.fp16.safetensors",
        "transformer/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }
    assert place.chords("presets", "my-wan").stdout.startswith("# weights: downloaded, ")
    assert place.chords("presets", "my-wan", "--verify").returncode == 0
    place.hub.seen.clear()
    place.chords("download", WAN, "--variant", "fp16")
    assert not place.hub.fetched()
