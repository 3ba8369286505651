import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.hub import Weights
from chords_cli.media.images import png_bytes
from chords_cli.media.metadata import file_texts
from chords_cli.models import fit, repositories
from chords_cli.models.repositories import find_model
from chords_cli.presets.parts import Cache, Scheduler
from chords_cli.records.recipe import Output
from chords_cli.runs.outputs.recipe import make_recipe, pixels
from chords_cli.runs.settings.from_metadata import read_recipe, with_recipe
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from tests.doubles import files
from tests.unit.conftest import GPUS

FRAME = np.zeros((1, 1, 3), np.uint8)


@pytest.fixture
def picture(resolved, preset_file, model, tmp_path, monkeypatch):
    """Writes a picture as a run with these options would, and makes its preset findable."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "chords" / "presets"
    folder.mkdir(parents=True)
    (folder / "toy.yaml").write_text(preset_file.read_text())
    (folder / model.name).symlink_to(model)

    def write(index=1, change=None, arm_set=(), preset=None, **options):
        plan = {} if {"algo", "init_t"} & options.keys() else {"cores": 4}
        settings = resolved(**(plan | options))
        settings = replace(settings, preset=settings.preset.model_copy(update=preset or {}))
        output = Output(index=index, core=3)
        made = make_recipe(settings, settings.samples[0], output, arm_set=arm_set).document()
        (change or (lambda _: None))(made)
        path = tmp_path / "picture.png"
        path.write_bytes(png_bytes(FRAME, file_texts(made)))
        return path

    return write


def again(path, **options):
    """The settings of a run from the metadata of `path`."""
    return resolve(Request(**{"kind": "image", "from_metadata": path} | options))


def refusal(path, **options):
    with pytest.raises(UsageError) as caught:
        again(path, **options)
    return caught.value.spelled(as_option)


@pytest.mark.parametrize(
    "options",
    [
        {"cores": 4},
        {"cores": None},
        {"algo": "sequential"},
        {"init_t": "0-3-9", "steps": 20, "seed": 7},
        {"cores": 3, "guidance": 5.5, "width": 32, "height": 48},
        {"dtype": "bfloat16", "prompts": ("a café",)},
    ],
)
def test_a_picture_is_made_again_with_the_same_settings(picture, resolved, options):
    before, after = resolved(**options), again(picture(**options))
    assert pixels(after) == pixels(before)
    assert (after.samples[0].prompt, after.seed, after.num) == (before.prompts[0], before.seed, 1)


def in_schema_1(made):
    """Writes a recipe as version 0.1.0 first did."""
    made.update(schema=1, rounds=made.pop("planned_rounds"))


@pytest.mark.parametrize("options", [{"cores": 4}, {"init_t": "0-3-9", "steps": 20}])
def test_a_picture_with_metadata_of_schema_1_is_made_again_too(picture, resolved, options):
    after = again(picture(**options, change=in_schema_1))
    assert pixels(after) == pixels(resolved(**options))


def test_the_output_that_the_picture_shows_is_the_one_made_again(picture):
    settings = again(picture(index=3, all_cores=True))
    assert (settings.stop.criterion, settings.stop.index) == ("core_index", 3)


def test_explicit_options_win_over_the_metadata(picture):
    settings = again(picture(seed=7), seed=8, guidance=9.0, prompts=("a bird",), num=2)
    assert (settings.seed, settings.call["guidance_scale"]) == (8, 9.0)
    assert (settings.prompts, settings.num) == (("a bird",), 2)


def test_starts_are_chosen_anew_when_cores_or_steps_are_said(picture):
    path = picture(init_t="0-3-9")
    assert again(path, cores=4).plan.init_t == (0, 8, 16, 32)
    assert len(again(path, steps=20).plan.init_t) == 3
    assert again(path, init_t="0-5").plan.init_t == (0, 5)
    assert again(path, algo="sequential").plan.cores == 1


def test_starts_or_rounds_that_are_said_ask_for_their_algorithm(picture):
    assert again(picture(), init_t="0-5").plan.algo == "chords"
    assert again(picture(init_t="0-3-9"), rounds=12).plan.planned_rounds == 12
    assert again(picture(cores=3), rounds=12).plan.cores == 3


def test_one_core_or_several_where_it_was_the_other_way_round(picture):
    assert again(picture(), cores=1).plan.algo == "sequential"
    assert again(picture(cores=1), cores=4).plan.algo == "wavefront"
    assert again(picture(cores=3), cores=4).plan.cores == 4
    assert again(picture(cores=1), algo="wavefront").plan.cores == 4


def test_the_output_stays_when_cores_change_as_far_as_they_make_it(picture):
    path = picture(index=3)
    assert again(path, cores=8).stop.index == 3
    assert again(path, cores=2).stop.index == 2
    assert again(path, all_cores=True).plan.cores == 4


def test_a_stop_that_is_said_wins_over_the_pictures_own(picture):
    assert again(picture(index=2), stop_residual=0.1).stop.criterion == "residual"
    assert again(picture(index=2), stop_index=0).stop.index == 0


def test_a_preset_that_changed_since_is_refused_and_says_what(picture, preset_file, tmp_path):
    path = picture()
    changed = preset_file.read_text().replace("FluxPipeline", "FluxKontextPipeline")
    changed = changed.replace("guidance_scale: 3.5", "guidance_scale: 3.5, max_area: 4096")
    (tmp_path / "config" / "chords" / "presets" / "toy.yaml").write_text(changed)
    assert refusal(path) == (
        "preset toy has changed since that picture was made: pipeline, call.max_area",
        "add --model toy to use it as it is now",
    )
    assert again(path, model="toy").preset.pipeline == "FluxKontextPipeline"


def test_a_size_that_was_left_to_a_file_is_no_change_of_the_preset(picture, preset_file, tmp_path):
    data = files.encoded(files.picture(96, 64))
    (tmp_path / "photo.png").write_bytes(data)

    def change(made):
        named = {"role": "image", "name": "photo.png", "sha256": hashlib.sha256(data).hexdigest()}
        made["inputs"] = [named]
        made["model"]["pipeline"] = "FluxImg2ImgPipeline"
        del made["call"]["width"], made["call"]["height"]

    path = picture(change=change)
    text = preset_file.read_text() + "variants: {image: FluxImg2ImgPipeline}\n"
    (tmp_path / "config" / "chords" / "presets" / "toy.yaml").write_text(text)
    (found,) = again(path).inputs
    assert found.path == tmp_path / "photo.png"


def test_defaults_that_the_preset_changed_do_not_matter(picture, preset_file, tmp_path):
    path = picture()
    changed = preset_file.read_text().replace("guidance_scale: 3.5", "guidance_scale: 4.5")
    (tmp_path / "config" / "chords" / "presets" / "toy.yaml").write_text(
        changed.replace("inference_steps: 50", "inference_steps: 20").replace("42", "1")
    )
    assert again(path).call["guidance_scale"] == 3.5
    assert again(path).plan.steps == 50


EULER = Scheduler.model_validate(
    {"class": "FlowMatchEulerDiscreteScheduler", "args": {"shift": 2.5}}
)
CACHED = {"cache": Cache(name="first-block", args={"threshold": 0.25}), "scheduler": EULER}


def test_scheduler_and_cache_are_those_of_the_picture(picture):
    preset = again(picture(preset=CACHED, algo="sequential")).preset
    assert (preset.cache, preset.scheduler) == (CACHED["cache"], EULER)


def test_a_scheduler_and_a_cache_that_the_preset_got_since_are_left_out(picture, tmp_path):
    path, file = picture(), tmp_path / "config" / "chords" / "presets" / "toy.yaml"
    since = "cache: {name: first-block}\nscheduler: {class: UniPCMultistepScheduler}\n"
    file.write_text(f"{file.read_text()}\n{since}")
    preset = again(path).preset
    assert (preset.cache, preset.scheduler) == (None, None)


def test_a_preset_that_is_named_keeps_its_own_but_for_what_an_arm_has_set(picture):
    arm = {"preset": CACHED, "algo": "sequential"}
    own = again(picture(**arm), model="toy").preset
    assert (own.cache, own.scheduler) == (None, None)
    mixed = again(picture(**arm, arm_set=("scheduler",)), model="toy").preset
    assert (mixed.cache, mixed.scheduler) == (None, EULER)
    kept = again(picture(**arm, arm_set=("scheduler", "cache")), model="toy").preset
    assert (kept.cache, kept.scheduler) == (CACHED["cache"], EULER)


def test_another_model_has_its_own_scheduler(picture):
    path = picture(preset={"scheduler": EULER}, arm_set=("scheduler",))
    assert again(path, model="demo-image", width=128, height=128).preset.scheduler is None


def test_a_preset_that_is_gone_is_refused(picture):
    path = picture(change=lambda made: made.update(preset="toyota-9000"))
    message, hint = refusal(path)
    assert message == f"{path} was made with preset 'toyota-9000': unknown model 'toyota-9000'"
    assert hint == "name its preset, as in --model my-preset.yaml"


def test_a_repository_that_ran_without_a_preset_is_found_again(picture, model, monkeypatch):
    monkeypatch.setattr(repositories, "find_snapshot", lambda *_: Weights("complete", model, 1))
    monkeypatch.setattr(fit, "find_snapshot", lambda *_: Weights("complete", model, 1))
    made = find_model("Some-One/My_Flux.1")
    path = picture(preset=dict(made), change=lambda recipe: recipe["call"].pop("negative_prompt"))
    settings = again(path, width=64, height=96)
    assert (settings.preset.repo, settings.preset.name) == ("Some-One/My_Flux.1", "my-flux.1")


def test_a_kind_of_device_that_is_not_here_is_refused(picture):
    path = picture(change=lambda made: made.update(device="tpu"))
    assert refusal(path) == (
        "the picture was made on tpu, which this machine does not have",
        "add --devices cpu to make a picture that is nearly the same",
    )
    assert again(path, devices="cpu").devices == ("cpu",) * 4


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda made: made.update(seed="42"), "seed"),
        (lambda made: made.pop("dtype"), "dtype"),
        (lambda made: made.update(schema=3), "schema"),
        (lambda made: made.update(init_t="0-8"), "init_t"),
        (lambda made: made.update(algo="srds"), "algo"),
        (lambda made: made.update(cores=0), "cores"),
        (lambda made: made["call"].update(width="wide"), "call"),
        (lambda made: made["model"].update(scheduler={"cls": 1}), "model"),
        (lambda made: made.update(arm_set=["weights"]), "arm_set"),
    ],
)
def test_metadata_that_is_not_understood_is_refused_by_its_key(picture, change, key):
    path = picture(change=change)
    assert refusal(path) == (
        f"the chords metadata of {path} cannot be used: {key} is missing or wrong",
        "this is chords 0.1.0; the file was made by another version",
    )


def test_a_model_of_another_kind_is_kept_in_the_command_to_type(picture):
    path = picture()
    assert refusal(path, model="demo-video") == (
        "demo-video makes videos, but this is chords image",
        f"type chords video --from-metadata {path} --model demo-video",
    )
    assert refusal(path, kind="video") == (
        "toy makes images, but this is chords video",
        f"type chords image --from-metadata {path}",
    )


@pytest.mark.parametrize(
    ("name", "record", "what", "hint"),
    [
        (
            "run.json",
            {"command": "image", "prompts": [{"output": "0001-a b.png"}, {"output": "2.png"}]},
            "run",
            "name one of its pictures, as in --from-metadata '{}/0001-a b.png'",
        ),
        ("run.json", {"command": "video", "prompts": []}, "run", "name one of its pictures"),
        ("run.json", {"command": "image", "prompts": [1]}, "run", "name one of its pictures"),
        (
            "compare.json",
            {"command": "compare", "takes": [{"results": [{"picture": "1.png"}]}]},
            "comparison",
            "name one of its pictures, as in --from-metadata {}/1.png",
        ),
    ],
)
def test_a_record_is_met_with_the_first_picture_that_it_lists(tmp_path, name, record, what, hint):
    path = tmp_path / name
    path.write_text(json.dumps(record))
    message = f"{path} is the record of a {what}, not a picture of it"
    assert refusal(path) == (message, hint.format(tmp_path))


def test_a_folder_is_met_with_the_first_picture_in_it(tmp_path):
    message = f"metadata file {tmp_path} is a folder"
    assert refusal(tmp_path) == (message, "name one of its pictures")
    for name in ("run.json", "0002.png", "0001.mp4"):
        (tmp_path / name).touch()
    hint = f"name one of its pictures, as in --from-metadata {tmp_path / '0001.mp4'}"
    assert refusal(tmp_path) == (message, hint)


def test_a_document_is_plain_json(resolved):
    settings = resolved(cores=2)
    made = make_recipe(settings, settings.samples[0], Output(index=1)).document()
    assert json.loads(json.dumps(made)) == made


def test_a_request_that_says_nothing_is_filled_in_full(picture):
    path = picture()
    request = with_recipe(Request(kind="image", from_metadata=path), read_recipe(path))
    assert (request.model, request.seed, request.steps) == ("toy", 42, 50)
    assert (request.prompts, request.devices, request.dtype) == (
        ("a cat",),
        ",".join(GPUS),
        "float32",
    )
