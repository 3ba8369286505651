"""The Python API, with the built-in model."""

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chords_cli import Chords, ChordsError, Plan, StopRule, plan
from chords_cli.engine import devices
from chords_cli.events import CoreStepped, Warned
from chords_cli.media.metadata import read_metadata
from chords_cli.presets.files import find_preset
from tests.doubles import files
from tests.waiting import HANG, ended

DOCS = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLE = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[0]
"""`tests/docs` runs the others, in one process."""

HEART = "a large red heart on a white background"


@pytest.fixture(scope="module")
def chords():
    with Chords(cores=2, steps=6, devices="cpu") as running:
        yield running


def test_a_sample_is_a_picture_a_latent_and_what_is_known_of_it(chords):
    sample = chords(HEART, seed=3)
    assert (sample.prompt, sample.seed) == (HEART, 3)
    assert sample.frames.shape[0] == 1
    assert sample.frames.dtype == np.uint8
    assert sample.image.size == (sample.frames.shape[2], sample.frames.shape[1])
    assert sample.latent.dtype == np.float32
    assert (sample.output.index, sample.output.round) == (1, chords.plan.rounds())
    assert not sample.output.exact


def test_the_same_seed_makes_the_same_picture_and_another_does_not(chords):
    one, again, other = (chords(HEART, seed=seed).frames for seed in (3, 3, 4))
    assert (one == again).all()
    assert (one != other).any()


def test_a_sample_has_its_warnings_and_the_listener_hears_each_once():
    heard = []
    long = ", ".join([HEART] * 10)
    prompts = (long, long, HEART, "a cat", "a cat")
    with Chords(cores=2, steps=3, devices="cpu", listener=heard.append) as running:
        cut, again, short, *cats = (running(prompt).warnings for prompt in prompts)
    assert len(cut) == 2
    assert all("tokens long" in warning for warning in cut)
    assert (again, short) == (cut, ())
    assert cats[0] == cats[1]
    assert [warning.partition(";")[0] for warning in cats[0]] == ['demo-image does not know "cat"']
    assert [event.text for event in heard if isinstance(event, Warned)] == [*cut, *cats[0]]


def test_outputs_come_from_the_preview_to_the_exact_one(chords):
    outputs = list(chords.outputs(HEART, seed=3))
    assert [sample.output.index for sample in outputs] == [0, 1, 2]
    assert [sample.output.exact for sample in outputs] == [False, False, True]


def test_an_interrupted_sample_leaves_the_cores_to_the_next(chords):
    expected = chords(HEART, seed=3).frames

    def interrupt(event: object) -> None:
        if isinstance(event, CoreStepped):
            raise KeyboardInterrupt

    pool = chords._running_pool
    listener, pool._tell = pool._tell, interrupt
    with pytest.raises(KeyboardInterrupt):
        chords("a blue circle", seed=1)
    pool._tell = listener
    assert (chords(HEART, seed=3).frames == expected).all()


def test_cores_that_have_started_cannot_be_started_again(chords):
    with pytest.raises(ChordsError, match="the cores have started already"):
        chords.__enter__()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loras": None}, "loras is None: "),
        ({"loras": ("ink.safetensors", 0.8)}, "loras is "),
        ({"from_latent": "x"}, "from_latent is not an option of Chords"),
    ],
)
def test_a_value_of_another_type_is_an_error_of_ours(options, message):
    with pytest.raises(ChordsError) as caught:
        Chords(devices="cpu", **options)
    assert caught.value.message.startswith(message)


def test_a_prompt_that_is_no_text_is_refused(chords):
    with pytest.raises(ChordsError, match=r"^the prompt is 5: "):
        chords(5)
    with pytest.raises(ChordsError, match=r"(?m)^cores is '4', but must be a whole number$"):
        plan(cores="4")


def test_a_sample_starts_from_a_path_or_a_picture_with_a_strength_of_its_own(tmp_path):
    photo, other = files.picture(128, 128), files.picture(128, 128).rotate(90)
    path = tmp_path / "photo.png"
    photo.save(path)
    with Chords(cores=2, steps=6, devices="cpu", image=path) as running:
        one = running(HEART, seed=3, strength=0.7)
        same = running(HEART, seed=3, strength=0.7, image=photo)
        turned = running(HEART, seed=3, strength=0.7, image=[other])
        short = running(HEART, seed=3, strength=0.1)  # leaves one step for two cores
        with pytest.raises(ChordsError) as caught:
            running(HEART, mask=photo)
    assert (one.frames == same.frames).all()
    assert (one.frames != turned.frames).any()
    assert (short.output.round, short.output.exact) == (1, True)
    recipe = read_metadata(one.save(tmp_path / "heart.png"))
    assert [given["name"] for given in recipe["inputs"]] == ["photo.png"]
    assert caught.value.message == (
        "this sample needs FluxInpaintPipeline, but these Chords have loaded FluxImg2ImgPipeline"
    )
    assert caught.value.hint == (
        "give files of the same roles to Chords, as in image='sketch.png'; a sample may name others"
    )


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"image": "gone.png"}, "image gone.png does not exist", "check its path"),
        ({"strength": 0.5}, "strength is 0.5, but the run starts from no picture", None),
        ({"image": 5}, "image is 5, but must be a path or a picture of Pillow", None),
        ({"image": [np.zeros((8, 8, 3))]}, "image is an array of shape (8, 8, 3), but must", None),
        ({"mask": [Image.new("L", (8, 8))]}, "mask is [<PIL.Image.Image", "Image.fromarray"),
        ({"image": Image.new("L", (0, 8))}, "image is a picture of 0 x 8 pixels", None),
        ({"control": "a.png"}, "demo-image takes no control: ", None),
    ],
)
def test_what_is_wrong_with_files_is_said_in_pythons_words(options, message, hint):
    with pytest.raises(ChordsError) as caught:
        Chords(devices="cpu", **options)
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint or "")


def test_the_exact_output_is_what_one_core_makes(chords):
    exact = next(sample for sample in chords.outputs(HEART, seed=3) if sample.output.exact)
    alone = chords(HEART, seed=3, algo="sequential")
    assert alone.output.exact
    assert (alone.latent == exact.latent).all()
    # One core alone has more threads, and the decoder's last digits depend on how many it has.
    assert np.abs(alone.frames.astype(int) - exact.frames.astype(int)).max() <= 1


def test_a_loop_that_is_left_leaves_nothing_behind_for_the_next_sample(chords):
    expected = chords(HEART, seed=3).frames
    for _ in chords.outputs("a blue circle", seed=1):
        break
    assert (chords(HEART, seed=3).frames == expected).all()


def test_a_sample_ends_outputs_that_nobody_has_asked_for(chords):
    expected = chords(HEART, seed=3).frames
    outputs = chords.outputs("a blue circle", seed=1)
    next(outputs)
    assert (chords(HEART, seed=3).frames == expected).all()
    with pytest.raises(ChordsError, match="another sample has begun"):
        next(outputs)
    assert (chords(HEART, seed=3).frames == expected).all()


MAKE = {
    "a sample": lambda chords: [chords(HEART, seed=3)],
    "outputs": lambda chords: list(chords.outputs(HEART, seed=3)),
}


@pytest.mark.parametrize("asks", MAKE.values(), ids=[f"asks for {name}" for name in MAKE])
@pytest.mark.parametrize("makes", MAKE.values(), ids=[f"makes {name}" for name in MAKE])
def test_a_thread_is_refused_while_another_one_hears_the_cores(chords, monkeypatch, makes, asks):
    expected, hears, go_on = makes(chords), threading.Event(), threading.Event()

    def listen(event):
        hears.set()
        assert go_on.wait(HANG)

    monkeypatch.setattr(chords._pool, "_tell", listen)
    with ThreadPoolExecutor(1) as other:
        made = other.submit(makes, chords)
        assert hears.wait(HANG)
        try:
            with pytest.raises(ChordsError, match=r"^another thread makes a sample"):
                asks(chords)
        finally:
            go_on.set()
        pairs = zip(made.result(), expected, strict=True)
    assert all((new.frames == old.frames).all() for new, old in pairs)


def test_threads_may_take_turns_with_outputs(chords):
    outputs = chords.outputs(HEART, seed=3)
    with ThreadPoolExecutor(1) as other:
        taken = [other.submit(next, outputs).result(), *outputs]
    assert [sample.output.index for sample in taken] == [0, 1, 2]


def test_a_sample_may_set_options_of_its_own(chords):
    assert chords(HEART, steps=4).output.round == plan(steps=4, cores=2).rounds()
    assert (chords(HEART, guidance=1.0).frames != chords(HEART, guidance=6.0).frames).any()


def test_a_file_carries_what_made_it(chords, tmp_path):
    sample = chords(HEART, seed=9)
    path = sample.save(tmp_path / "heart.png")
    assert (np.asarray(Image.open(path)) == sample.frames[0]).all()
    found = read_metadata(path)
    assert (found["prompt"], found["seed"], found["cores"]) == (HEART, 9, 2)
    sample.save(path)
    sample.save(tmp_path / "heart.safetensors")
    with pytest.raises(ChordsError, match=r"heart.jpg does not end with .png or .safetensors"):
        sample.save(tmp_path / "heart.jpg")


def test_a_sample_may_have_a_speedup_in_place_of_the_rounds_of_all():
    chords = Chords("demo-image", devices="cpu", cores=2, rounds=20)
    assert chords._resolve(HEART, {}).plan.rounds() == 20
    assert chords._resolve(HEART, {"speedup": 2}).plan.rounds() == 25


def test_what_a_layout_has_chosen_is_no_option_that_the_user_gave(monkeypatch):
    monkeypatch.setattr(devices, "available_devices", lambda: ("cpu",) * 4)
    chords = Chords("demo-image")
    assert (chords.plan.cores, chords.plan.algo, len(chords.devices)) == (2, "wavefront", 4)
    for options in ({"exact": True}, {"cores": 1}):
        settings = chords._resolve(HEART, options)
        assert (settings.plan.algo, settings.members) == ("sequential", 2)
    assert chords._resolve(HEART, {"steps": 1}).plan.rounds() == 1
    assert chords._resolve(HEART, {"steps": 20, "guidance": 5.0}).plan.cores == 2
    with pytest.raises(ChordsError, match="not guided, but these Chords") as caught:
        chords._resolve(HEART, {"guidance": 1.0})
    assert caught.value.hint == "give guidance_split=False to Chords"
    with pytest.raises(ChordsError, match=r"exact=True chooses .* but rounds is 20"):
        chords._resolve(HEART, {"exact": True, "rounds": 20})


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"cores": 4}, "cores is 4, but these Chords have 2", "give cores=4 to Chords instead"),
        ({"devices": "cpu"}, "devices is the same for all samples", "give devices to Chords"),
        ({"sede": 1}, "sede is not an option of Chords", "did you mean seed?"),
        ({"speedup": 2.0, "rounds": 2}, "rounds=2 and speedup=2.0 exclude", "give one of them"),
        ({"seed": -1}, "seed is -1, but must be from 0 to", "try seed=42"),
        ({"steps": "9"}, "steps is '9': input should be a valid integer", "write a value"),
    ],
)
def test_a_wrong_option_costs_no_loaded_model(chords, options, message, hint):
    for ask in (chords, chords.outputs):
        with pytest.raises(ChordsError) as caught:
            list(ask(HEART, **options))
        assert caught.value.message.startswith(message)
        assert caught.value.hint.startswith(hint)
    assert chords(HEART).frames.any()


def test_chords_are_refused_before_anything_starts():
    with pytest.raises(ChordsError) as caught:
        Chords(cores=9, steps=8, devices="cpu")
    assert caught.value.hint == "use cores=8 or fewer, or more steps"
    with pytest.raises(ChordsError, match="output is not an option of Chords"):
        Chords(output="here")
    with pytest.raises(ChordsError, match="nothing-like-it"):
        Chords("nothing-like-it")


def test_cores_that_have_not_started_say_so():
    with pytest.raises(ChordsError, match="the cores have not started"):
        Chords(devices="cpu")(HEART)


def test_sequences_are_taken_where_the_command_line_takes_text():
    preset = find_preset("demo-image")
    chords = Chords(preset, init_t=(0, 4, 8), devices=["cpu"], steps=12)
    assert isinstance(chords.plan, Plan)
    assert chords.plan.init_t == (0, 4, 8)
    assert chords.devices == ("cpu",) * 3


def test_a_plan_needs_no_torch():
    code = (
        "import sys; from chords_cli import plan; print(plan(steps=50, cores=4).rounds(), "
        "{'torch', 'numpy', 'pydantic_core'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == str(plan(steps=50, cores=4).rounds())
    assert "torch" not in done.stdout
    assert StopRule("core_index", 1).fixed == 1


@pytest.mark.slow
def test_an_example_of_the_documentation_runs_as_a_script(warm, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(EXAMPLE)
    running = warm.start(script=script, cwd=tmp_path, env=os.environ)
    out, err = ended(running)
    assert running.returncode == 0, err
    assert out
