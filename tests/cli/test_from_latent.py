"""A latent that is kept is decoded later, whether it was wanted or its picture failed."""

import json
import re
import shlex

import pytest
from PIL import Image

from chords_cli.errors import ChordsError
from chords_cli.media.metadata import read_metadata
from chords_cli.runs.outputs.saving import OutputSaver
from tests.cli.conftest import TINY

OPTIONS = ("--cores", "2", "--devices", "cpu", "--steps", "4", "--quiet")
CAT = "0001-a-cat-s42"


@pytest.fixture(scope="module")
def made(command, home, tmp_path_factory):
    """A run whose VAE is wider than its denoiser, with its latents."""
    place = tmp_path_factory.mktemp("latents")
    text = TINY.format(folder=f"{home['HOME']}/model").replace("dtype: float32", "dtype: bfloat16")
    (place / "wide.yaml").write_text(f"{text}components: {{vae: {{dtype: float32}}}}\n")
    options = ("--model", "wide.yaml", "--save-latents", "--all-cores", "--output", "made")
    command("image", "a cat", *OPTIONS, *options, cwd=place)
    return place


@pytest.mark.parametrize("stem", [CAT, f"{CAT}-output2-core0"])
def test_a_kept_latent_makes_the_same_picture_with_the_same_recipe(made, command, stem):
    options = ("--model", "wide.yaml", "--output", f"again-{stem}", "--json")
    answer = command("image", "--from-latent", f"made/{stem}.safetensors", *options, cwd=made)
    picture = made / f"again-{stem}" / f"{CAT}.png"
    assert Image.open(picture).tobytes() == Image.open(made / "made" / f"{stem}.png").tobytes()
    found, first = read_metadata(picture), read_metadata(made / "made" / f"{stem}.png")
    assert found.pop("stop") == {"criterion": "core_index", "index": first["output"]["index"]}
    del first["stop"]
    assert found == first
    (entry,) = json.loads(answer.out)["prompts"]
    assert entry["output"] == picture.name
    assert entry["seconds"].keys() == {"decode", "total"}


def test_a_sample_that_cannot_be_written_keeps_its_latent(made, command, monkeypatch):
    def full(saver: OutputSaver, output: object) -> None:
        raise ChordsError("cannot write it: No space left on device", "make room")

    with monkeypatch.context() as world:
        world.setattr(OutputSaver, "save", full)
        options = ("--model", "wide.yaml", "--output", "full")
        answer = command("image", "a cat", *OPTIONS, *options, cwd=made, code=1)
    error, hint = answer.err.splitlines()
    assert error == "error: cannot write it: No space left on device"
    kept, model = f"full/{CAT}.safetensors", "--model wide.yaml"
    assert hint == f"hint: make room; its latent is kept: chords image --from-latent {kept} {model}"
    typed = shlex.split(hint.partition("chords ")[2])
    command(*typed, "--output", "rescued", "--quiet", cwd=made)
    rescued, first = (Image.open(made / name / f"{CAT}.png") for name in ("rescued", "made"))
    assert rescued.tobytes() == first.tobytes()


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (("--steps", "9"), "and steps is of no use for that", "leave out --steps"),
        (("a dog",), "and prompts is of no use for that", "leave out prompts"),
        (("--seed", "1"), "and seed is of no use for that", "leave out --seed"),
    ],
)
def test_options_that_sampling_needs_are_refused(made, command, options, message, hint):
    path = f"made/{CAT}.safetensors"
    answer = command("image", *options, "--from-latent", path, cwd=made, code=2)
    assert message in answer.err
    assert hint in answer.err


def test_a_file_without_a_latent_is_refused(made, command):
    options = ("--from-latent", f"made/{CAT}.png", "--model", "wide.yaml")
    answer = command("image", *options, cwd=made, code=2)
    assert re.search(r"latent made/.*png cannot be decoded", answer.err)
    data = (made / "made" / f"{CAT}.safetensors").read_bytes()
    (made / "cut.safetensors").write_bytes(data[:-10])
    options = ("--from-latent", "cut.safetensors", "--model", "wide.yaml")
    answer = command("image", *options, cwd=made, code=2)
    assert "it is cut off" in answer.err


def test_a_file_without_a_latent_is_refused_by_a_dry_run_too(made, command):
    data = (made / "made" / f"{CAT}.safetensors").read_bytes()
    (made / "short.safetensors").write_bytes(data[:-10])
    (made / "empty.png").touch()
    for name, problem in {
        f"made/{CAT}.png": f"made/{CAT}.png is not a safetensors file",
        "short.safetensors": "it is cut off",
        "empty.png": "empty.png is not a safetensors file",
        "missing.safetensors": "No such file or directory",
    }.items():
        options = ("--from-latent", name, "--model", "wide.yaml", "--dry-run")
        assert command("image", *options, cwd=made, code=2).err.splitlines() == [
            f"error: latent {name} cannot be decoded: {problem}",
            "hint: name a .safetensors file that chords kept",
        ]


def test_a_folder_is_met_with_the_first_latent_in_it(tmp_path, command):
    def refused() -> list[str]:
        return command("image", "--from-latent", tmp_path, cwd=tmp_path, code=2).err.splitlines()

    error = f"error: latent file {tmp_path} is a folder"
    assert refused() == [error, "hint: it holds no latent; --save-latents keeps them"]
    for name in ("run.json", "0002.safetensors", "0001.safetensors"):
        (tmp_path / name).touch()
    named = f"--from-latent {tmp_path / '0001.safetensors'}"
    assert refused() == [error, f"hint: name one of its latents, as in {named}"]
