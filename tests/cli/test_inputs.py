"""`--image` and `--mask` as a user types them: what is made, remembered and found again."""

import json

import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxInpaintPipeline
from PIL import Image
from safetensors.torch import load_file

from chords_cli.cli.inputs import join_numbers
from chords_cli.media.metadata import read_metadata
from chords_cli.runs.settings.finding import with_inputs
from tests.cli.conftest import TINY
from tests.doubles import files

EDITS = TINY + "variants: {{image: FluxImg2ImgPipeline, mask: FluxInpaintPipeline}}\n"
MODEL = ("--model", "edits.yaml", "--devices", "cpu")
CAT = "0001-a-cat-s42"
OPTIONS = ("--cores", 2, "--algo", "chords", "--all-cores", "--save-latents")


@pytest.fixture(scope="module")
def place(home, tmp_path_factory):
    """A folder with a preset, a picture and a mask as large."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "edits.yaml").write_text(EDITS.format(folder=f"{home['HOME']}/model"))
    files.picture(32, 32).save(folder / "photo.png")
    mask = Image.new("L", (32, 32))
    mask.paste(255, (0, 0, 16, 32))
    mask.save(folder / "mask.png")
    return folder


@pytest.fixture(scope="module")
def edited(command, place):
    """An image to image with every output and its latent."""
    given = ("--image", "photo.png", "0.7", "a cat", *OPTIONS, "--output", "edited", "-q")
    command("image", *MODEL, *given, cwd=place)
    return place / "edited"


@pytest.fixture
def dry_run(command, place):
    def run(*options, code=0):
        return command("image", *MODEL, *options, "--dry-run", cwd=place, code=code)

    return run


def settings(folder):
    return json.loads((folder / "run.json").read_text())["settings"]


def stock(home, cls, folder, output_type, **pictures):
    """What stock diffusers makes of the same call."""
    pipe = cls.from_pretrained(f"{home['HOME']}/model", local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    call = settings(folder)["call"] | {"prompt": "a cat", **pictures}
    noise = torch.Generator("cpu").manual_seed(42)
    return pipe(**call, generator=noise, output_type=output_type, return_dict=False)[0]


def test_core_0_of_an_edit_is_what_stock_diffusers_makes(home, place, edited):
    exact = load_file(edited / f"{CAT}-output2-core0.safetensors")["latent"]
    image = Image.open(place / "photo.png").convert("RGB")
    assert torch.equal(exact, stock(home, FluxImg2ImgPipeline, edited, "latent", image=image))


def test_core_0_of_an_inpainting_is_what_stock_diffusers_makes(home, command, place):
    given = ("--image=photo.png", ".6", "--mask", "mask.png", "a cat", "--algo", "sequential")
    command("image", *MODEL, *given, "--output", "painted", "-q", cwd=place)
    pictures = {
        "image": Image.open(place / "photo.png").convert("RGB"),
        "mask_image": Image.open(place / "mask.png"),
    }
    (expected,) = stock(home, FluxInpaintPipeline, place / "painted", "pil", **pictures)
    assert Image.open(place / "painted" / f"{CAT}.png").tobytes() == expected.tobytes()


def test_a_strength_leaves_a_plan_of_the_steps_that_are_taken(edited):
    record = json.loads((edited / "run.json").read_text())
    assert record["note"].splitlines()[0] == "strength 0.7 leaves 6 of 8 steps"
    assert (record["plan"]["steps"], record["settings"]["steps"]) == (6, 6)
    call = record["settings"]["call"]
    assert (call["num_inference_steps"], call["strength"]) == (8, 0.7)


def test_the_picture_and_the_record_name_what_it_was_made_from_without_folders(place, edited):
    (one,) = settings(edited)["inputs"]
    assert one == {"role": "image", "name": "photo.png", "sha256": one["sha256"]}
    metadata = read_metadata(edited / f"{CAT}.png")
    assert metadata["inputs"] == [one]
    assert metadata["model"]["pipeline"] == "FluxImg2ImgPipeline"
    with Image.open(edited / f"{CAT}.png") as picture:
        assert "Steps: 8, " in picture.info["parameters"]
        assert "Denoising strength: 0.7, " in picture.info["parameters"]


def test_the_same_is_made_again_from_metadata(command, place, edited):
    given = ("--from-metadata", f"edited/{CAT}.png", "--all-cores", "--output", "again", "-q")
    command("image", *given, "--model", "edits.yaml", cwd=place)
    for name in (CAT, f"{CAT}-output2-core0"):
        made, first = (Image.open(place / folder / f"{name}.png") for folder in ("again", "edited"))
        assert made.tobytes() == first.tobytes()
    assert settings(place / "again")["inputs"] == settings(edited)["inputs"]


def test_a_kept_latent_is_decoded_with_the_picture_that_it_was_made_from(command, place, edited):
    given = ("--from-latent", f"edited/{CAT}.safetensors", "--model", "edits.yaml")
    command("image", *given, "--output", "decoded", "-q", cwd=place)
    made, first = (Image.open(place / folder / f"{CAT}.png") for folder in ("decoded", "edited"))
    assert made.tobytes() == first.tobytes()
    other = command("image", *given, "--image", "mask.png", cwd=place, code=2)
    assert other.err == (
        f"error: edited/{CAT}.safetensors was not made from mask.png, and decoding it needs the "
        "files that it was made from\n"
        "hint: leave out --image mask.png\n"
    )


@pytest.mark.parametrize(
    ("given", "changed", "hint"),
    [
        (["--image", "mask.png", "0.7"], "image was photo.png, is mask.png", "choose"),
        (
            ["--image", "photo.png", "0.7", "--mask", "mask.png"],
            "mask was none, is mask.png",
            "",
        ),
        ([], "image was photo.png, is none", "add --image photo.png to go on, or choose"),
    ],
)
def test_a_run_that_goes_on_names_the_file_that_is_another(
    command, place, edited, given, changed, hint
):
    line = (*given, "a cat", *OPTIONS, "--output", "edited", "--resume")
    refused = command("image", *MODEL, *line, cwd=place, code=2)
    message, advice = refused.err.splitlines()
    assert message == f"error: edited was made with other settings: {changed}"
    assert advice.startswith(f"hint: {hint}")


def test_what_was_made_from_the_same_bytes_is_skipped_whatever_their_name(command, place, edited):
    (place / "renamed.png").write_bytes((place / "photo.png").read_bytes())
    given = ("--image", "renamed.png", "0.7", "a cat", *OPTIONS, "--output", "edited", "--resume")
    done = command("image", *MODEL, *given, cwd=place)
    assert "1 image made before, nothing left to do" in done.err


def test_a_record_that_goes_on_knows_its_files(command, place, edited):
    line = (*MODEL, *OPTIONS, "--output", "edited", "--resume", "--dry-run", "--json")
    record = command("image", *line, "--strength", "0.7", cwd=place).document
    assert [sample["done"] for sample in record["prompts"]] == [True]
    assert record["settings"]["inputs"][0]["name"] in ("photo.png", "renamed.png")


def test_a_file_is_found_by_its_hash_beside_the_picture_or_here(place, edited, dry_run, command):
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    picture = elsewhere / "cat.png"
    picture.write_bytes((edited / f"{CAT}.png").read_bytes())
    given = ("--from-metadata", "cat.png", "--model", "../edits.yaml", "--dry-run", "-q")
    lost = command("image", *given, cwd=elsewhere, code=2)
    assert lost.err == (
        "error: cat.png was made from photo.png, which is not here\nhint: name it: --image FILE\n"
    )
    (elsewhere / "photo.png").write_bytes((place / "mask.png").read_bytes())
    other = command("image", *given, cwd=elsewhere, code=2)
    assert other.err.startswith("error: cat.png was made from photo.png, which is another file now")
    (elsewhere / "other name.png").write_bytes((place / "photo.png").read_bytes())
    command("image", *given, cwd=elsewhere)
    assert dry_run("--from-metadata", "elsewhere/cat.png", "--image", "mask.png").code == 0


def test_a_dry_run_shows_files_and_steps(dry_run):
    shown = dry_run("--image", "photo.png", "0.5", "a cat").out
    assert "strength 0.5 leaves 4 of 8 steps" in shown
    assert "inputs    image photo.png" in shown


def test_without_a_strength_the_pipelines_own_is_named(dry_run):
    note = dry_run("--image", "photo.png", "a cat", "--json").document["note"]
    assert note.startswith("strength 0.6, FluxImg2ImgPipeline's own, leaves 5 of 8 steps\n")


def test_a_size_that_follows_from_the_picture_is_told(place, dry_run):
    files.picture(80, 40).save(place / "wide.png")
    record = dry_run("--image", "wide.png", "0.5", "a cat", "--json").document
    assert record["note"].startswith("wide.png is 80x40: the result is 32x16\nstrength 0.5 ")
    assert (record["settings"]["call"]["width"], record["settings"]["call"]["height"]) == (32, 16)


def test_core_0_sees_and_decodes_and_others_hold_no_more_for_it(dry_run):
    options = ("--image", "photo.png", "0.7", "a cat", "--cores", 2, "--json")
    one, other = dry_run(*options).document["memory"]["cores"]
    assert "vae" in one["components"].keys() & other["components"].keys()  # core 1 decodes
    one, other = dry_run(*options, "--stop-index", 2).document["memory"]["cores"]
    assert "vae" in one["components"].keys() - other["components"].keys()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("--image a.png 0.7 cat", "--image a.png=0.7 cat"),
        ("--image=a.png 0.7 cat", "--image=a.png=0.7 cat"),
        ("--image a.png=0.7 cat", "--image a.png=0.7 cat"),
        ("--image a.png cat 0.7", "--image a.png cat 0.7"),
        ("cat --image a.png -1e-1", "cat --image a.png=-1e-1"),
        ("--image a.png .5 --image b.png", "--image a.png=.5 --image b.png"),
        ("--image a.png --seed 7", "--image a.png --seed 7"),
        ("--mask a.png 1", "--mask a.png 1"),
        ("--image", "--image"),
        ("-- --image a.png 0.7", "-- --image a.png 0.7"),
        ("--seed 0.7", "--seed 0.7"),
    ],
)
def test_a_number_after_a_file_is_its_strength(typed, read):
    assert join_numbers(typed.split(), ["--image", "--video"]) == read.split()


def test_an_equals_sign_may_be_part_of_a_files_name(place, dry_run):
    (place / "a=1.png").write_bytes((place / "photo.png").read_bytes())
    (place / "half=0.5").write_bytes((place / "photo.png").read_bytes())
    for given in (["a=1.png", "0.5"], ["half=0.5", "--strength", "0.5"]):
        record = dry_run("--image", *given, "a cat", "--json").document
        assert record["settings"]["call"]["strength"] == 0.5
        assert record["settings"]["inputs"][0]["name"] == given[0]


def test_a_role_that_this_version_does_not_know_is_left_alone(place):
    from chords_cli.records.recipe import InputRecord
    from chords_cli.runs.settings.options.request import Request

    request = Request(kind="image")
    unknown = InputRecord(role="sound", name="a.wav", sha256="0")
    assert with_inputs(request, [unknown], place / "x.png") == request


LINES = (
    {"prompt": "a cat", "image": "photo.png", "strength": 0.7},
    {"prompt": "a dog", "image": "../inputs/turned.png", "strength": 0.25, "seed": 7},
)


@pytest.fixture(scope="module")
def lined(command, place):
    """A run whose prompts have pictures and strengths of their own, in a folder of their own."""
    folder = place / "prompts"
    folder.mkdir()
    (place / "inputs").mkdir()
    files.picture(32, 32).save(folder / "photo.png")
    files.picture(32, 32).rotate(90).save(place / "inputs" / "turned.png")
    (folder / "many.jsonl").write_text("\n".join(map(json.dumps, LINES)))
    given = ("--prompt-file", "prompts/many.jsonl", *OPTIONS, "--output", "lined", "-q")
    command("image", *MODEL, *given, cwd=place)
    return place / "lined"


def test_every_line_has_its_picture_its_strength_its_seed_and_its_plan(lined, place, edited):
    cat, dog = json.loads((lined / "run.json").read_text())["prompts"]
    assert (cat["own"]["steps"], dog["own"]["steps"]) == (6, 2)
    assert (cat["seed"], dog["seed"]) == (42, 7)
    assert [one["name"] for one in dog["own"]["inputs"]] == ["turned.png"]
    assert dog["own"]["call"]["strength"] == 0.25
    first, alone = (Image.open(folder / f"{CAT}.png").tobytes() for folder in (lined, edited))
    assert first == alone
    metadata = read_metadata(lined / dog["output"])
    assert (metadata["steps"], metadata["inputs"][0]["name"]) == (2, "turned.png")


@pytest.mark.parametrize(
    ("lines", "done"),
    [(LINES, 2), (LINES[::-1], 2), ((LINES[1], {**LINES[0], "prompt": "a hen"}), 1)],
)
def test_a_run_of_lines_goes_on_whatever_their_order(command, place, lined, lines, done):
    (place / "prompts" / "again.jsonl").write_text("\n".join(map(json.dumps, lines)))
    given = ("--prompt-file", "prompts/again.jsonl", *OPTIONS, "--output", "lined", "--resume")
    record = command("image", *MODEL, *given, "--dry-run", "--json", cwd=place).document
    assert sum(sample["done"] for sample in record["prompts"]) == done


def test_a_line_that_is_another_is_not_done(command, place, lined):
    changed = ({**LINES[0], "strength": 0.5}, LINES[1])
    (place / "prompts" / "changed.jsonl").write_text("\n".join(map(json.dumps, changed)))
    given = ("--prompt-file", "prompts/changed.jsonl", *OPTIONS, "--output", "lined", "--resume")
    refused = command("image", *MODEL, *given, cwd=place, code=2)
    assert refused.err.startswith(f"error: lined/{CAT}.png and ")
    assert "made with other settings" in refused.err


def test_a_run_of_lines_goes_on_with_its_file(command, place, lined):
    given = (*OPTIONS, "--output", "lined", "--resume", "-q")
    refused = command("image", *MODEL, *given, cwd=place, code=2)
    assert refused.err == (
        "error: lined was made from a prompt file whose lines have options\n"
        "hint: name it again with --prompt-file FILE.jsonl\n"
    )


@pytest.mark.parametrize(
    ("second", "message", "hint"),
    [
        (
            {"prompt": "a", "image": "photo.png", "strength": 2},
            "strength is 2, but must be above 0 and at most 1, which is all new",
            'try "strength": 0.7',
        ),
        (
            {"prompt": "a", "image": "gone.png"},
            "image prompts/gone.png does not exist",
            "check its path",
        ),
        (
            {"prompt": "a", "image": "photo.png", "mask": "photo.png"},
            "this line needs FluxInpaintPipeline, but the first one FluxImg2ImgPipeline",
            "put lines with files of other roles into a file of their own",
        ),
        (
            {"prompt": "a"},
            "this line names no file, but FluxImg2ImgPipeline changes one, as in the first",
            'name one with "image": "FILE", or put lines without files into a file of their own',
        ),
        (
            {"prompt": "a", "image": "photo.png", "seed": -1},
            "seed is -1, but must be from 0 to 2^64 - 1",
            'try "seed": 42',
        ),
        (
            {"prompt": "a", "image": "photo.png", "video": "walk.mp4"},
            "video is prompts/walk.mp4, but tiny makes images",
            'leave out "video"',
        ),
    ],
)
def test_a_wrong_line_is_named_before_anything_starts(command, place, lined, second, message, hint):
    lines = ({"prompt": "a cat", "image": "photo.png"}, second)
    (place / "prompts" / "bad.jsonl").write_text("\n".join(map(json.dumps, lines)))
    refused = command("image", *MODEL, "--prompt-file", "prompts/bad.jsonl", cwd=place, code=2)
    shown = message.replace("image prompts", '"image" prompts')
    assert refused.err == f"error: prompts/bad.jsonl:2: {shown}\nhint: {hint}\n"


def test_a_comparison_takes_no_lines_with_options(command, place, lined):
    given = ("--prompt-file", "prompts/many.jsonl", "--dry-run")
    refused = command("compare", *MODEL, *given, cwd=place, code=2)
    assert refused.err == (
        "error: prompt file prompts/many.jsonl has options for every line, and chords compare "
        "gives all prompts the same\n"
        "hint: name a file with one prompt a line\n"
    )


def test_a_prompt_that_is_too_long_for_a_files_name_is_a_prompt(dry_run):
    prompt = "a cat, " * 60 + "as in cat.png"
    assert dry_run("--image", "photo.png", prompt).out.count("as in cat.png") >= 1
