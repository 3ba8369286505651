"""Combinations of options for pictures that are refused: exact words, nothing loaded or written."""

import pytest
from PIL import Image

from tests.cli.test_inputs import EDITS
from tests.doubles import files

KONTEXT = EDITS.replace("FluxPipeline", "FluxKontextPipeline").partition("variants")[0]
DEMO = ("--model", "edits.yaml")
PHOTO = ("--image", "photo.png")

REFUSED = {
    "a strength above 1": (
        [*DEMO, *PHOTO, "1.5"],
        "strength is 1.5, but must be above 0 and at most 1, which is all new",
        "try --strength 0.7",
    ),
    "a strength in percent": (
        [*DEMO, *PHOTO, "60"],
        "strength is 60, but must be above 0 and at most 1, which is all new",
        "try --strength 0.6",
    ),
    "no strength at all": (
        [*DEMO, *PHOTO, "0"],
        "strength is 0, but must be above 0 and at most 1, which is all new",
        "try --strength 0.7",
    ),
    "a negative strength": (
        [*DEMO, *PHOTO, "-0.5"],
        "strength is -0.5, but must be above 0 and at most 1, which is all new",
        "try --strength 0.7",
    ),
    "a strength that is no number": (
        [*DEMO, *PHOTO, "--strength", "nan"],
        "strength is nan, but must be above 0 and at most 1, which is all new",
        "try --strength 0.7",
    ),
    "two strengths": (
        [*DEMO, *PHOTO, "0.5", "--strength", "0.7"],
        "strength is 0.5 and 0.7, but a run has one",
        "give one of them",
    ),
    "a strength of nothing": (
        [*DEMO, "--strength", "0.7"],
        "strength is 0.7, but the run starts from no picture",
        "name one with --image FILE, or leave out --strength",
    ),
    "a strength where every step is taken": (
        ["--model", "kontext.yaml", *PHOTO, "0.7"],
        "strength is 0.7, but tiny takes none: FluxKontextPipeline takes every step, whatever it "
        "starts from",
        "leave out the strength",
    ),
    "a strength with a comma": (
        [*DEMO, *PHOTO, "0,7"],
        "prompt '0,7' is a number, and the run starts from photo.png",
        "write a strength after its file, as in --image photo.png 0.7",
    ),
    "a strength after a mask": (
        [*DEMO, *PHOTO, "--mask", "mask.png", "0.7"],
        "prompt '0.7' is a number, and the run starts from photo.png",
        "write a strength after its file, as in --image photo.png 0.7",
    ),
    "a picture without its option": (
        [*DEMO, "photo.png"],
        "prompt 'photo.png' is a file",
        "start from it with --image photo.png, and say in a prompt what to show",
    ),
    "the second of two pictures without its option": (
        [*DEMO, *PHOTO, "mask.png"],
        "prompt 'mask.png' is a file",
        "start from it with --image mask.png, and say in a prompt what to show",
    ),
    "more cores than steps are left": (
        [*DEMO, *PHOTO, "0.5", "--cores", 6],
        "strength 0.5 leaves 4 of 8 steps, and cores is 6, but 4 steps allow at most 4 cores",
        "use --cores 4 or fewer, or more --steps",
    ),
    "starts beyond the steps that are left": (
        [*DEMO, *PHOTO, "0.5", "--init-t", "0-6"],
        "strength 0.5 leaves 4 of 8 steps, and init_t 0-6 reaches 6, but the grid's last step is 3",
        "keep every start below --steps 4",
    ),
    "a picture for a model that takes text alone": (
        ["--model", "tiny", *PHOTO],
        "tiny takes no --image: FluxPipeline starts from the prompt alone",
        "leave out --image, or name another model",
    ),
    "a mask without a picture": (
        [*DEMO, "--mask", "mask.png"],
        "--mask mask.png is given without what it masks",
        "name that with --image FILE",
    ),
    "a mask of another size": (
        [*DEMO, *PHOTO, "--mask", "small.png"],
        "--mask small.png is 16x16, but --image photo.png is 32x32",
        "make the mask as large as what it masks",
    ),
    "two pictures for one": (
        [*DEMO, *PHOTO, "--image", "mask.png"],
        "tiny takes one --image, not 2",
        "give one; for several results run it once for each",
    ),
    "a control that the pipeline does not take": (
        [*DEMO, "--control", "photo.png"],
        "tiny takes no --control: FluxPipeline starts from the prompt alone",
        "leave out --control, or name another model",
    ),
    "no picture where one is needed": (
        ["--model", "needy.yaml"],
        "tiny starts from a picture, and none is given",
        "name one with --image FILE",
    ),
    "an image to image without an image": (
        ["--model", "changing.yaml"],
        "tiny changes what it is given, and starts from no file",
        "name one with --image FILE",
    ),
    "an option that only videos have": (
        [*DEMO, "--last-image", "photo.png"],
        "No such option: --last-image",
        "`chords video` or `chords compare` has --last-image; `chords image --help` lists what it "
        "takes",
    ),
    "a file without a name": ([*DEMO, "--image", ""], "--image is empty", "name a file"),
    "an option that every line says for itself": (
        [*DEMO, *PHOTO, "--prompt-file", "many.jsonl"],
        "--image is given, and every line of the prompt file says its own",
        "leave out --image",
    ),
    "a file that is not there": (
        [*DEMO, "--image", "phot.png"],
        "--image phot.png does not exist",
        "did you mean photo.png?",
    ),
    "other files with a latent that needs none": (
        [*DEMO, "--from-latent", "gone.safetensors", "--strength", "0.5"],
        "--from-latent gone.safetensors decodes what was sampled, and strength is of no use for "
        "that",
        "leave out --strength",
    ),
}


@pytest.fixture(scope="module")
def place(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("refusals")
    model = f"{home['HOME']}/model"
    (folder / "edits.yaml").write_text(EDITS.format(folder=model))
    (folder / "kontext.yaml").write_text(KONTEXT.format(folder=model))
    needy = KONTEXT.format(folder=model) + "inputs: {image: {}}\n"
    (folder / "needy.yaml").write_text(needy)
    changing = needy.replace("Kontext", "Img2Img").replace("{image: {}}", "{}")
    (folder / "changing.yaml").write_text(changing)
    (folder / "many.jsonl").write_text('{"prompt": "a cat", "image": "photo.png"}')
    files.picture(32, 32).save(folder / "photo.png")
    Image.new("L", (32, 32), 255).save(folder / "mask.png")
    Image.new("L", (16, 16), 255).save(folder / "small.png")
    return folder


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_before_anything_starts(case, command, place):
    arguments, message, hint = REFUSED[case]
    before = sorted(place.rglob("*"))
    done = command("image", *arguments, "--devices", "cpu", cwd=place, code=2)
    assert (done.out, done.err) == ("", f"error: {message}\nhint: {hint}\n")
    assert sorted(place.rglob("*")) == before
