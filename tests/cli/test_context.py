"""`--context` as a user meets it: the same picture from devices that share its tokens."""

import json

import numpy as np
import pytest
from PIL import Image

from chords_cli.media.metadata import read_metadata

TINY = ("--model", "tiny", "--devices", "cpu")
SHARED = (*TINY, "--cores", 2, "--context", 2)
CAT = "0001-a-cat-s42"


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("context")


@pytest.fixture(scope="module")
def shared(command, place):
    """Two pictures, their latents kept."""
    prompts = ("a cat", "a dog")
    return command("image", *prompts, *SHARED, "--save-latents", "--output", "shared", cwd=place)


def test_shared_tokens_make_the_picture_of_whole_cores_but_for_roundings(shared, command, place):
    assert "2 cores x 2 · 8 steps on cpu" in shared.err
    assert "experimental" not in shared.err
    command("image", "a cat", *TINY, "--cores", 2, "--output", "whole", cwd=place)
    apart = abs(pixels(place / "shared" / f"{CAT}.png") - pixels(place / "whole" / f"{CAT}.png"))
    assert apart.max() <= 1


def test_record_and_metadata_say_among_how_many_devices_tokens_were_shared(shared, place):
    record = json.loads((place / "shared" / "run.json").read_text())
    assert (record["cores"], record["devices"]) == (2, ["cpu"] * 4)
    assert record["settings"]["context"] == 2
    assert [set(names) & {"text_encoder", "vae"} for names in record["components"]] == [
        {"text_encoder"}, set(), {"vae"}, set(),
    ]  # fmt: skip
    assert [len(sample["peak_memory"]) for sample in record["prompts"]] == [4, 4]
    assert read_metadata(place / "shared" / f"{CAT}.png")["context"] == 2


def test_a_picture_is_made_again_by_as_many_devices_unless_an_option_says_otherwise(
    shared, command, place
):
    picture = ("image", "--from-metadata", f"shared/{CAT}.png")
    command(*picture, "--output", "again", cwd=place)
    again = pixels(place / "again" / f"{CAT}.png")
    assert np.array_equal(again, pixels(place / "shared" / f"{CAT}.png"))
    whole = command(*picture, "--context", 1, "--dry-run", "--json", cwd=place).document
    assert (whole["settings"]["context"], whole["devices"]) == (1, ["cpu"] * 2)


def test_a_latent_of_shared_tokens_is_decoded_by_one_process(shared, command, place):
    command("image", "--from-latent", f"shared/{CAT}.safetensors", "--output", "decoded", cwd=place)
    decoded = pixels(place / "decoded" / f"{CAT}.png")
    assert np.array_equal(decoded, pixels(place / "shared" / f"{CAT}.png"))


def test_a_dry_run_tells_all_members_of_a_core_and_their_memory(command, place):
    both = (*SHARED, "--guidance-split", "--dry-run", "--output", "x")
    told = command("image", *both, cwd=place)
    assert "cpu, shared by 2 cores x 2 (guidance split) x 2 (context)" in told.out
    assert "2 cores with 4 processes each share cpu" in told.out
    assert "core 1's helper 3 on cpu: " in told.out
    cores = command("image", *both, "--json", cwd=place).document["memory"]["cores"]
    assert [(core["core"], core["member"]) for core in cores] == [
        (core, member) for core in range(2) for member in range(4)
    ]


def test_an_arm_may_share_tokens_and_so_may_a_preset(command, place):
    preset = command("presets", "tiny", cwd=place).out.replace("context: 1\n", "context: 2\n")
    (place / "shared.yaml").write_text(preset)
    arms = ("--arm", "sequential", "--arm", "sequential context=2", "--arm")
    done = command(
        "compare", "a cat", *TINY, *arms, "sequential model=shared.yaml", "--json",
        "--output", "compared", cwd=place,
    )  # fmt: skip
    _, by_arm, by_preset = done.document["arms"]
    assert [arm["settings"]["context"] for arm in done.document["arms"]] == [1, 2, 2]
    assert by_arm["devices"] == by_preset["devices"] == ["cpu", "cpu"]
    assert by_arm["quality"]["latent_rmse"]["mean"] < 1e-5
    assert [core["device"] for core in by_arm["timeline"]["cores"]] == ["cpu + cpu"]
    assert [memory["member"] for memory in by_arm["peak_memory"]] == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--context", 0), "context is 0, but must be at least 1"),
        (
            ("--model", "sd3-5", "--context", 2),
            "sd3-5 cannot share its tokens: diffusers has no plan for SD3Transformer2DModel",
        ),
    ],
)
def test_tokens_that_cannot_be_shared_are_refused_before_anything_starts(
    options, message, command, place
):
    for more in ((), ("--dry-run",)):
        refused = command("image", "a cat", *TINY, *options, *more, cwd=place, code=2)
        assert f"error: {message}" in " ".join(refused.err.split())
