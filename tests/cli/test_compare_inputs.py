"""An edit's ways side by side: what all start from is shown first, and all take as many steps."""

import json
import shlex

import pytest
from PIL import Image

from tests.cli.conftest import TINY
from tests.doubles import files

EDITS = TINY + "variants: {{image: FluxImg2ImgPipeline, mask: FluxInpaintPipeline}}\n"
ARMS = ("--arm", "sequential", "--arm", "few-steps", "--arm", "chords cores=2")


@pytest.fixture(scope="module")
def place(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared-edits")
    (folder / "edits.yaml").write_text(EDITS.format(folder=f"{home['HOME']}/model"))
    files.picture(32, 32).save(folder / "photo.png")
    return folder


@pytest.fixture(scope="module")
def compared(command, place):
    given = ("--image", "photo.png", "0.5", "a cat", "--devices", "cpu", "--steps", 8)
    command("compare", "--model", "edits.yaml", *ARMS, *given, "-o", "out", "-q", cwd=place)
    return place / "out"


def test_what_all_start_from_is_remembered_and_shown_first(compared, place):
    record = json.loads((compared / "compare.json").read_text())
    (remembered,) = record["inputs"]
    assert (remembered["role"], remembered["name"]) == ("image", "photo.png")
    page = (compared / "compare.html").read_text()
    assert 'alt="image: photo.png"' in page
    assert page.index('alt="image: photo.png"') < page.index('class="cards"')
    with Image.open(compared / "compare.png") as sheet:
        assert sheet.width == 16 + 4 * (224 + 16)  # the file, and three arms


def test_few_steps_are_those_that_the_strength_leaves(compared):
    arms = {arm["name"]: arm for arm in json.loads((compared / "compare.json").read_text())["arms"]}
    chords, few = arms["chords cores=2"], arms["few-steps"]
    assert arms["sequential"]["plan"]["steps"] == 4
    assert few["plan"]["steps"] == chords["evaluations"]
    assert few["settings"]["call"]["num_inference_steps"] == 2 * few["plan"]["steps"] - 1


def test_the_command_that_makes_it_again_names_the_file_and_its_strength(compared):
    words = shlex.split(json.loads((compared / "compare.json").read_text())["again"])
    assert words[words.index("--image") + 1] == "photo.png"
    assert words[words.index("--strength") + 1] == "0.5"


def test_a_scheduler_that_cannot_add_noise_to_a_picture_is_refused_before_loading(command, place):
    arms = ("--arm", "sequential", "--arm", "few-steps scheduler=unipc steps=4")
    result = command(
        *("compare", "--model", "edits.yaml", *arms, "--image", "photo.png", "a cat"),
        cwd=place,
        code=2,
    )
    assert "FluxImg2ImgPipeline asks for scale_noise" in result.err
