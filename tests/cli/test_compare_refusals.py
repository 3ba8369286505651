"""What `chords compare` refuses: exact words, exit code 2, nothing started and nothing written."""

import json
from pathlib import Path

import pytest

from chords_cli.runs.compare.arms import KNOWN, SETTINGS

REFUSED = {
    "an unknown algorithm": (
        ["--arm", "cords", "--arm", "sequential"],
        "arm 'cords' begins with 'cords', which is no algorithm",
        "begin with chords",
    ),
    "one arm": (
        ["--arm", "chords"],
        "'chords' is the only arm, but a comparison needs two",
        "add another, as in --arm 'chords' --arm sequential",
    ),
    "an arm that makes no plan": (
        ["--arm", "sequential", "--arm", "chords init_t=0-9"],
        "arm 'chords init_t=0-9': init_t 0-9 reaches 9, but the grid's last step is 7",
        "keep every start below --steps 8",
    ),
    "an arm without several cores on several": (
        ["--arm", "chords", "--arm", "sequential cores=2"],
        "arm 'sequential cores=2': cores is 2, but algo sequential runs on 1 core",
        "use wavefront, or cores=1",
    ),
    "an output that no core makes": (
        ["--arm", "sequential", "--arm", "chords cores=2 stop_index=3"],
        "arm 'chords cores=2 stop_index=3': stop_index is 3, but 2 cores make outputs 0 to 2",
        "try stop_index=1",
    ),
    "a model that is not there": (
        ["--arm", "sequential", "--arm", "chords model=tinny"],
        "arm 'chords model=tinny': unknown model 'tinny'",
        "did you mean tiny? `chords presets` lists all; a file name ends in .yaml",
    ),
    "a device that is not known": (
        ["--arm", "sequential", "--arm", "chords devices=tpu"],
        "arm 'chords devices=tpu': device 'tpu' is not known",
        "write devices=cpu or devices=cuda:0,cuda:1; xpu:0 and mps are known too",
    ),
    "few steps with nobody to keep up with": (
        ["--arm", "sequential", "--arm", "few-steps"],
        "arm 'few-steps' takes as many steps as the fastest other arm has rounds, "
        "but no other arm has a known number of rounds",
        'say how many, as in --arm "few-steps steps=20"',
    ),
    "a reference that is no arm": (
        ["--arm", "sequential", "--arm", "chords", "--reference", "wavefront"],
        "the reference 'wavefront' is not one of the arms",
        "choose one of 'sequential', 'chords'",
    ),
    "the same arm in other words": (
        ["--arm", "wavefront", "--arm", "sequential", "--arm", "wavefront cores=1"],
        "arms 'wavefront' and 'wavefront cores=1' are the same",
        "leave one of them out",
    ),
    "a sampler that the model has not": (
        ["--arm", "sequential", "--arm", "few-steps scheduler=heun steps=4"],
        "arm 'few-steps scheduler=heun steps=4': scheduler is 'heun', but must be dpm++2m or unipc",
        "leave it out for the model's own",
    ),
    "the pace of nobody": (
        ["--arm", "few-steps scheduler=unipc", "--arm", "sequential"],
        "arm 'few-steps scheduler=unipc' takes as many steps as the fastest other arm has rounds, "
        "but no other arm has a known number of rounds",
        'say how many, as in --arm "few-steps steps=20"',
    ),
    "no repetition": (["--repeat", 0], "repeat is 0, but must be at least 1", "try --repeat 3"),
    "what is wrong with all arms": (
        ["--width", 33],
        "width is 33, but this model takes a multiple of 16",
        "try --width 32 or --width 48",
    ),
    "CLIP without CLIP": (
        ["--clip-score"],
        "--clip-score needs openai/clip-vit-large-patch14, which is not on this machine",
        "fetch it first: hf download openai/clip-vit-large-patch14; or leave out --clip-score",
    ),
}


@pytest.fixture
def tiny_here(monkeypatch, home, tmp_path):
    """This process sees the user's preset `tiny`, no CUDA and an empty folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", home["XDG_CONFIG_HOME"])
    monkeypatch.setattr("chords_cli.engine.devices.available_devices", lambda: ("cpu",))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(("options", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_a_comparison_that_cannot_be_made_is_refused_before_anything_loads(
    chords, tiny_here, options, message, hint
):
    answer = chords("compare", "a cat", "--model", "tiny", *map(str, options))
    assert answer.code == 2
    assert answer.err == f"error: {message}\nhint: {hint}\n"
    assert answer.out == ""
    assert list(tiny_here.iterdir()) == []


def test_a_file_that_is_there_is_not_replaced_unless_asked(chords, tiny_here):
    (tiny_here / "mine").mkdir()
    (tiny_here / "mine" / "compare.html").touch()
    arguments = ("compare", "a cat", "--model", "tiny", "--output", "mine", "--dry-run")
    answer = chords(*arguments)
    assert answer.code == 2
    assert answer.err == (
        "error: mine/compare.html exists already\n"
        "hint: choose another --output, or --overwrite to replace it\n"
    )
    assert chords(*arguments, "--overwrite").code == 0


def test_a_dry_run_shows_every_arm_and_file_and_writes_nothing(chords, tiny_here):
    answer = chords(
        "compare", "a cat", "--model", "tiny", "--dry-run", "--output", "out", "--cores", "4"
    )
    lines = answer.out.splitlines()
    assert answer.code == 0
    assert lines[2].split() == ["sequential", "1", "cpu", "8", "8", "8", "1.00x"]
    assert lines[-3:] == ["out/compare.png", "out/compare.html", "out/compare.json"]
    assert "out/0001-a-cat-s42-2-few-steps.png" in lines
    assert list(tiny_here.iterdir()) == []


def test_a_dry_run_as_json_has_the_arms_with_their_plans(chords, tiny_here):
    options = ("--dry-run", "--json", "--arm", "chords cores=2", "--arm", "few-steps")
    document = chords("compare", "a cat", "--model", "tiny", *options).document
    chords_arm, few = document["arms"]
    assert document["reference"] == "chords cores=2"
    assert few["plan"]["steps"] == chords_arm["plan"]["rounds"]
    assert few["settings"]["call"]["num_inference_steps"] == few["plan"]["steps"]
    assert json.dumps(document)


def test_without_a_prompt_the_first_of_the_models_own_is_taken(chords, tiny_here):
    answer = chords("compare", "--model", "tiny", "--dry-run", "--quiet", "--output", "out")
    assert "out/0001-a-horse-s42-1-sequential.png" in answer.out
    assert "a-city-at-night" not in answer.out


def test_an_empty_prompt_is_refused_without_the_name_of_another_command(chords, tiny_here):
    answer = chords("compare", "", "--model", "tiny")
    assert answer.err == (
        'error: prompt 1 is empty\nhint: say what to show, as in "a red circle"\n'
    )


def test_the_command_to_make_it_again_names_every_prompt_as_often_as_it_was(chords, tiny_here):
    prompts = ("a", "b", "a")
    document = chords("compare", *prompts, "--num", "2", "--model", "tiny", "--dry-run", "--json")
    assert document.document["again"].endswith(" --num 2 a b a")


def test_help_tells_what_an_arm_may_be_and_set(chords):
    told = " ".join(chords("compare", "--help").out.split())
    for word in (*KNOWN, *SETTINGS):
        assert word in told
    assert "Without any: all, and what one device can do." in told.replace(" │ │ ", " ")


@pytest.fixture
def grid_of_its_own(tiny_here, home):
    """A preset of a model whose scheduler has no counterpart."""
    text = Path(home["XDG_CONFIG_HOME"], "chords", "presets", "tiny.yaml").read_text()
    lines = "scheduler: {class: CogVideoXDDIMScheduler, from_config: false}\n"
    (tiny_here / "own.yaml").write_text(text.replace("name: tiny", "name: own") + lines)
    return tiny_here


def test_a_sampler_without_a_counterpart_is_refused_in_one_line(chords, grid_of_its_own):
    arms = ("--arm", "sequential", "--arm", "few-steps scheduler=unipc steps=4")
    answer = chords("compare", "a cat", "--model", "own.yaml", *arms)
    assert answer.code == 2
    assert answer.err == (
        "error: arm 'few-steps scheduler=unipc steps=4': CogVideoXDDIMScheduler of own has no "
        "counterpart in UniPC: its grid is its own\n"
        "hint: leave the arm out; few-steps has the model's own scheduler\n"
    )


def test_the_usual_arms_are_those_that_the_model_takes(chords, grid_of_its_own):
    options = ("--model", "own.yaml", "--cores", "2", "--dry-run", "--output", "o")
    answer = chords("compare", "a cat", *options)
    assert [line.split()[0] for line in answer.out.splitlines()[2:7]] == [
        *("sequential", "few-steps", "wavefront", "chords", "wavefront")
    ]
    told = " ".join(answer.err.split())
    for name, title in (("dpm++2m", "DPM++ 2M"), ("unipc", "UniPC")):
        assert (
            f"Without few-steps scheduler={name}: CogVideoXDDIMScheduler of own has no counterpart "
            f"in {title}: its grid is its own."
        ) in told


def test_on_one_core_nothing_is_compared_twice(chords, tiny_here):
    document = chords("compare", "a", "--model", "tiny", "--cores", "1", "--dry-run", "--json")
    names = [arm["name"] for arm in document.document["arms"]]
    assert "chords" not in names
    assert "wavefront cores=1" not in names
    assert names[-1] == "wavefront"
