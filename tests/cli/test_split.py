"""`--guidance-split` as a user meets it: the same picture from two devices a core."""

import json

import pytest
from PIL import Image

from chords_cli.media.metadata import read_metadata

TINY = ("--model", "tiny", "--devices", "cpu")
SPLIT = (*TINY, "--cores", 2, "--guidance-split")
CAT = "0001-a-cat-s42"


def pixels(path):
    with Image.open(path) as picture:
        return picture.tobytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("split")


@pytest.fixture(scope="module")
def split(command, place):
    return command("image", "a cat", *SPLIT, "--save-latents", "--output", "split", cwd=place)


def test_a_split_makes_the_picture_of_whole_cores_where_the_model_is_called_twice(
    split, command, place
):
    assert split.code == 0, split.err
    assert "2 cores x 2 · 8 steps on cpu" in split.err
    whole = command("image", "a cat", *TINY, "--cores", 2, "--output", "whole", cwd=place)
    assert whole.code == 0, whole.err
    assert pixels(place / "split" / f"{CAT}.png") == pixels(place / "whole" / f"{CAT}.png")


def test_record_and_metadata_say_that_guidance_was_split(split, place):
    record = json.loads((place / "split" / "run.json").read_text())
    assert (record["cores"], record["devices"]) == (2, ["cpu"] * 4)
    assert record["settings"]["guidance_split"] is True
    assert [set(names) & {"text_encoder", "vae"} for names in record["components"]] == [
        {"text_encoder"}, set(), {"vae"}, set(),
    ]  # fmt: skip
    assert len(record["prompts"][0]["peak_memory"]) == 4
    assert read_metadata(place / "split" / f"{CAT}.png")["guidance_split"] is True


def test_a_picture_is_made_again_with_the_split_that_made_it_unless_an_option_says_no(
    split, command, place
):
    picture = ("image", "--from-metadata", f"split/{CAT}.png", "--dry-run", "--json")
    again, whole = (command(*picture, *more, cwd=place) for more in ((), ["--no-guidance-split"]))
    assert again.document["settings"]["guidance_split"] is True
    assert again.document["devices"] == ["cpu"] * 4
    assert whole.document["settings"]["guidance_split"] is False
    assert whole.document["devices"] == ["cpu"] * 2


def test_a_latent_of_a_split_run_is_decoded_by_one_process(split, command, place):
    latent = ("image", "--from-latent", f"split/{CAT}.safetensors", "--output", "decoded")
    done = command(*latent, cwd=place)
    assert done.code == 0, done.err
    assert pixels(place / "decoded" / f"{CAT}.png") == pixels(place / "split" / f"{CAT}.png")


def test_a_dry_run_tells_both_members_of_a_core_and_their_memory(command, place):
    told = command("image", *SPLIT, "--dry-run", "--output", "x", cwd=place)
    assert "cpu, shared by 2 cores x 2 (guidance split)" in told.out
    assert "2 cores with 2 processes each share cpu\n" in told.out
    assert "core 1's helper on cpu: " in told.out
    memory = command("image", *SPLIT, "--dry-run", "--json", "--output", "x", cwd=place).document[
        "memory"
    ]
    assert [(core["core"], core["member"]) for core in memory["cores"]] == [
        (0, 0), (0, 1), (1, 0), (1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "off", [("--guidance", 1), ("--model", "flux"), ("--model", "flux", "--guidance", 5)]
)
def test_a_split_of_what_is_not_guided_is_refused_before_anything_starts(off, command, place):
    refused = command("image", *SPLIT, *off, "--output", "x", cwd=place, code=2)
    assert "calls its model once a step, and there is nothing to split" in refused.err
    assert "hint: use --no-guidance-split, or raise --guidance above 1" in refused.err


def test_an_arm_may_split_its_guidance_and_so_may_a_preset(command, place):
    preset = command("presets", "tiny", cwd=place).out + "guidance_split: true\n"
    (place / "split.yaml").write_text(preset.replace("guidance_split: false\n", ""))
    arms = ("--arm", "sequential", "--arm", "sequential guidance-split", "--arm")
    done = command(
        "compare", "a cat", *TINY, *arms, "sequential model=split.yaml", "--json",
        "--output", "compared", cwd=place,
    )  # fmt: skip
    assert done.code == 0, done.err
    whole, split, by_preset = done.document["arms"]
    assert [arm["settings"]["guidance_split"] for arm in done.document["arms"]] == [
        False, True, True,
    ]  # fmt: skip
    assert split["devices"] == by_preset["devices"] == ["cpu", "cpu"]
    assert whole["devices"] == ["cpu"]
    assert split["quality"]["same_latent"]
    assert by_preset["quality"]["same_latent"]
    assert [core["device"] for core in split["timeline"]["cores"]] == ["cpu + cpu"]
    assert [memory["member"] for memory in split["peak_memory"]] == [0, 1]
    assert done.document["loads"] == [[whole["name"]], [split["name"]], [by_preset["name"]]] or (
        done.document["loads"] == [[whole["name"]], [split["name"], by_preset["name"]]]
    )
