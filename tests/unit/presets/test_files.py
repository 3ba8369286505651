"""Presets: read, found, and explained when they are wrong. The texts are the contract."""

from pathlib import Path

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import UsageError
from chords_cli.presets.files import available_presets, find_preset, load_preset, to_yaml
from chords_cli.presets.parts import Component
from chords_cli.presets.schema import Preset

BASE = """\
name: mine
title: My model
kind: image
path: weights
pipeline: FluxPipeline
dtype: float32
license: {name: MIT}
call: {height: 128, width: 128, num_inference_steps: 50}
limits: {size_multiple: 16}
seed: 42
sampling: {algo: wavefront, cores: 4, init_t: auto, stop: {criterion: core_index, index: 1}}
prompts: [a red circle]
"""

KEYS = ", ".join(Preset.model_fields)


@pytest.fixture
def preset(tmp_path):
    """Loads the base preset with one text replaced."""

    def load(old: str = "", new: str = ""):
        assert old in BASE
        file = tmp_path / "mine.yaml"
        file.write_text(BASE.replace(old, new) if old else BASE)
        return load_preset(file)

    return load


@pytest.fixture
def refusal(preset, tmp_path):
    """What is said about the base preset with one text replaced, without the file's name."""

    def explain(old: str, new: str) -> tuple[str, str]:
        with pytest.raises(UsageError) as caught:
            preset(old, new)
        message, hint = caught.value.spelled(as_option)
        file = str(tmp_path / "mine.yaml")
        assert message.startswith(file)
        assert "\n" not in message
        return message.removeprefix(file).removeprefix(": "), hint

    return explain


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch) -> Path:
    """A user's own folder of presets, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "chords" / "presets"
    folder.mkdir(parents=True)
    return folder


def test_preset_has_a_value_for_everything_that_was_not_said(preset):
    loaded = preset()
    assert (loaded.steps, loaded.sampling.init_t, loaded.fps) == (50, "auto", None)
    assert loaded.scheduler is None
    assert loaded.components == {}
    assert not loaded.license.gated


def test_preset_folder_is_relative_to_its_file(preset, tmp_path):
    assert preset().path == tmp_path / "weights"
    assert preset("path: weights", "path: /somewhere").path == Path("/somewhere")


ELSEWHERE = """components:
  vae: {path: weights/vae, tiling: true}
  image_encoder: {repo: a/b, subfolder: models/clip, offload: always}
adapters: [{path: adapters, file: ip.safetensors, scale: 0.5}, {repo: a/b, file: c.safetensors}]
"""


def test_folders_of_parts_are_relative_to_the_file_too(preset, tmp_path):
    found = preset("seed: 42\n", ELSEWHERE)
    assert found.components["vae"].path == tmp_path / "weights" / "vae"
    assert found.components["image_encoder"].path is None
    assert [adapter.path for adapter in found.adapters] == [tmp_path / "adapters", None]


def test_where_parts_lie_is_part_of_what_a_picture_tells_of_its_model(preset):
    identity = preset("seed: 42\n", ELSEWHERE).identity
    assert identity["path"] == "weights"
    assert identity["components"] == {
        "vae": {"path": "vae", "tiling": True},
        "image_encoder": {"repo": "a/b", "subfolder": "models/clip"},
    }
    assert identity["adapters"] == [
        {"path": "adapters", "file": "ip.safetensors", "scale": 0.5},
        {"repo": "a/b", "file": "c.safetensors"},
    ]


def test_preset_written_in_full_says_where_parts_lie_only_if_it_is_elsewhere(preset):
    written = to_yaml(preset("seed: 42\n", ELSEWHERE))
    assert "  image_encoder:\n    repo: a/b\n    dtype: null\n" in written
    assert "subfolder: models/clip" in written
    assert "revision" in written.split("components:")[0]
    assert "revision" not in written.split("components:")[1]


def test_preset_written_in_full_loads_again(preset, tmp_path):
    loaded = preset()
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(loaded))
    assert load_preset(again) == loaded


def test_preset_cannot_be_changed(preset):
    with pytest.raises(ValueError, match="frozen"):
        preset().seed = 3


@pytest.mark.parametrize("written", ["0-8-16-32", "[0, 8, 16, 32]"])
def test_starts_are_read_in_both_ways_of_writing(preset, written):
    assert preset("init_t: auto", f"init_t: {written}").sampling.init_t == (0, 8, 16, 32)


def test_sampling_without_an_algorithm_asks_for_the_one_that_fits(preset):
    plain = "algo: wavefront, cores: 4, init_t: auto"
    assert preset(plain, "cores: 1").sampling.algo == "sequential"
    assert preset(plain, "cores: 4, init_t: 0-8-16-32").sampling.algo == "chords"
    assert preset(plain, "cores: 4").sampling.algo == "wavefront"


@pytest.mark.parametrize("algo", ["chords", "wavefront"])
def test_starts_and_rounds_are_checked_whatever_the_algorithm_is(refusal, algo):
    plain = "algo: wavefront, cores: 4, init_t: auto"
    starts, rounds = (f"algo: {algo}, cores: 4, {key}" for key in ("init_t: 0-8-8-9", "rounds: 51"))
    assert refusal(plain, starts)[0] == "init_t 0-8-8-9 repeats 8"
    assert refusal(plain, rounds)[0].startswith("rounds is 51, but")


def test_exponents_are_numbers(preset):
    stop = "criterion: residual, residual: 1e-3"
    assert preset("criterion: core_index, index: 1", stop).sampling.stop.residual == 0.001


def test_scheduler_and_components_are_read(preset):
    loaded = preset(
        "seed: 42",
        "scheduler: {class: DDIMScheduler, args: {timestep_spacing: trailing}}\n"
        "components: {vae: {dtype: float32, tiling: true}}",
    )
    assert loaded.scheduler.cls == "DDIMScheduler"
    assert loaded.scheduler.args == {"timestep_spacing": "trailing"}
    assert loaded.components["vae"].tiling
    assert not loaded.components["vae"].slicing


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        (
            "seed: 42",
            "sed: 42",
            "sed is not a key of presets (its value is 42)",
            f"did you mean seed? allowed here: {KEYS}",
        ),
        (
            "cores: 4",
            "cors: 4",
            "sampling.cors is not a key of presets (its value is 4)",
            "did you mean cores? allowed here: algo, cores, init_t, rounds, stop",
        ),
        (
            "seed: 42",
            "components: {vae: {tilling: true}}",
            "components.vae.tilling is not a key of presets (its value is true)",
            f"did you mean tiling? allowed here: {', '.join(Component.model_fields)}",
        ),
        (
            "pipeline: FluxPipeline",
            "pipelin: FluxPipeline",
            "pipelin is not a key of presets (its value is 'FluxPipeline'); pipeline is missing",
            f"did you mean pipeline? allowed here: {KEYS}",
        ),
    ],
)
def test_wrong_key_is_named_with_the_nearest_and_all_that_are_allowed(
    refusal, old, new, message, hint
):
    assert refusal(old, new) == (message, hint)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("seed: 42", "seed: '42'", "seed is '42', but must be a whole number", "write seed: 42"),
        ("seed: 42", "seed: true", "seed is true, but must be a whole number", "write seed: 42"),
        ("seed: 42", "seed: 4.5", "seed is 4.5, but must be a whole number", "write seed: 42"),
        ("seed: 42", "seed: null", "seed is null, but must be a whole number", "write seed: 42"),
        (
            "license: {name: MIT}",
            "license: MIT",
            "license is 'MIT', but must be a mapping of keys",
            "write license: {name: MIT, gated: false}",
        ),
        (
            "license: {name: MIT}",
            "license: {name: MIT, gated: nope}",
            "license.gated is 'nope', but must be true or false",
            "write license.gated: false",
        ),
        (
            "seed: 42",
            "components: {vae: {repo: nobody}}",
            "components.vae.repo is 'nobody', but must be owner/name as on the Hugging Face hub",
            "write components.vae.repo: diffusers/controlnet-canny-sdxl-1.0",
        ),
        (
            "seed: 42",
            "adapters: [{repo: a/b, file: ../c.safetensors}]",
            "adapters[0].file is '../c.safetensors', but must be the path of a .safetensors file "
            "inside the repository",
            "write adapters[0].file: sdxl_models/ip-adapter_sdxl_vit-h.safetensors",
        ),
        (
            "seed: 42",
            "adapters: [{repo: a/b, weight: c.safetensors}]",
            "adapters[0].weight is not a key of presets (its value is 'c.safetensors'); "
            "adapters[0].file is missing",
            "allowed here: repo, revision, path, file, scale",
        ),
        (
            "path: weights",
            "path: 3",
            "path is 3, but must be a folder",
            "write path: weights/my-flux",
        ),
        (
            "prompts: [a red circle]",
            "prompts: a red circle",
            "prompts is 'a red circle', but must be a list",
            'write prompts: ["a red circle"]',
        ),
        (
            "prompts: [a red circle]",
            "prompts: [a red circle, 7]",
            "prompts[1] is 7, but must be text",
            'write prompts: ["a red circle"]',
        ),
        (
            "height: 128",
            "clip_skip: {a: 1}",
            "call.clip_skip is {'a': 1}, but must be text, a number, true, false, null or a list of"
            " these",
            "write call: {num_inference_steps: 50, guidance_scale: 3.5}",
        ),
        ("seed: 42", "7: 42", "the key 7 is not text", "put it in quotes, or leave it out"),
    ],
)
def test_wrong_type_is_named_with_the_value_and_what_is_allowed(refusal, old, new, message, hint):
    assert refusal(old, new) == (message, hint)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("height: tall", "call.height is 'tall', but must be a whole number"),
        ("height: '128'", "call.height is '128', but must be a whole number"),
        ("height: 128.0", "call.height is 128.0, but must be a whole number"),
        ("width: true", "call.width is true, but must be a whole number"),
        ("num_frames: many", "call.num_frames is 'many', but must be a whole number"),
        ("guidance_scale: high", "call.guidance_scale is 'high', but must be a finite number"),
        ("guidance_scale: .inf", "call.guidance_scale is inf, but must be a finite number"),
        ("true_cfg_scale: true", "call.true_cfg_scale is true, but must be a finite number"),
        ("guidance_scale: -1", "call.guidance_scale is -1, but must be at least 0"),
        ("true_cfg_scale: -0.5", "call.true_cfg_scale is -0.5, but must be at least 0"),
        ("true_cfg_scale: -.inf", "call.true_cfg_scale is -inf, but must be a finite number"),
        ("true_cfg_scale: [4]", "call.true_cfg_scale is [4], but must be a finite number"),
        ("prompt: x", "call.prompt is 'x', but must be left out: every run sets it itself"),
        (
            "guidance_scale: -1, height: tall, latents: null, zoom: {a: 1}",
            "call.height is 'tall', but must be a whole number; call.guidance_scale is -1, but must"
            " be at least 0; call.latents is null, but must be left out: every run sets it itself;"
            " call.zoom is {'a': 1}, but must be text, a number, true, false, null or a list of"
            " these",
        ),
    ],
)
def test_argument_that_is_reckoned_with_must_be_a_number(refusal, written, message):
    hint = "write call: {num_inference_steps: 50, guidance_scale: 3.5}"
    assert refusal("call: {height: 128, width: 128,", f"call: {{{written},") == (message, hint)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("num_inference_steps: 0", "call.num_inference_steps is 0, but must be at least 1"),
        ("num_inference_steps: 9.0", "call.num_inference_steps is 9.0, but must be a whole number"),
        (
            "num_inference_steps: many",
            "call.num_inference_steps is 'many', but must be a whole number",
        ),
        ("guidance_scale: 3.5", "call.num_inference_steps is missing"),
    ],
)
def test_every_call_has_a_number_of_steps(refusal, written, message):
    found, hint = refusal("num_inference_steps: 50", written)
    assert found == message
    assert hint.removeprefix("add ").removeprefix("write ").startswith("call: {num_inference_steps")


def test_sizes_rules_and_plans_that_are_wrong_are_named_together(refusal):
    right = "call: {height: 128, width: 128, num_inference_steps: 50}"
    wrong = "fps: 24\ncall: {height: 100, width: 130, num_inference_steps: 3}"
    assert refusal(right, wrong) == (
        "fps is for video presets only; width is 130, but this model takes a multiple of 16; height"
        " is 100, but this model takes a multiple of 16; cores is 4, but 3 steps allow at most 3"
        " cores",
        "fix it in mine.yaml",
    )


def test_arguments_that_are_reckoned_with_come_first_whatever_the_order_is(preset):
    call = preset("height: 128", "zoom: 1, true_cfg_scale: 2, guidance_scale: 1, height: 128").call
    known = ["width", "height", "guidance_scale", "true_cfg_scale"]
    assert list(call) == [*known, "num_inference_steps", "zoom"]


def test_arguments_stay_as_they_are_written(preset):
    written = "guidance_scale: 7, true_cfg_scale: null, num_frames: null, clip_skip: [1, x]"
    call = preset("height: 128", written).call
    assert repr(call["guidance_scale"]) == "7"
    assert (call["true_cfg_scale"], call["num_frames"], call["clip_skip"]) == (None, None, [1, "x"])


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("seed: 42", "seed: -1", "seed is -1, but must be at least 0", "write seed: 42"),
        (
            "cores: 4",
            "cores: 0",
            "sampling.cores is 0, but must be at least 1",
            "write sampling.cores: 4",
        ),
        (
            "algo: wavefront",
            "algo: srds",
            "sampling.algo is 'srds', but must be 'sequential', 'chords' or 'wavefront'",
            "write sampling.algo: wavefront",
        ),
        (
            "dtype: float32",
            "dtype: int8",
            "dtype is 'int8', but must be 'float32', 'bfloat16' or 'float16'",
            "write dtype: bfloat16",
        ),
        (
            "pipeline: FluxPipeline",
            "pipeline: Flux",
            "pipeline is 'Flux', but must be the name of a pipeline class of diffusers,"
            " ...Pipeline",
            "write pipeline: FluxPipeline",
        ),
        (
            "name: mine",
            "name: My Model",
            "name is 'My Model', but must be at most 100 lower-case letters, digits, dots and "
            "dashes",
            "write name: my-flux",
        ),
        (
            "init_t: auto",
            "init_t: 0-8-x",
            "sampling.init_t is '0-8-x', but must be auto, starts such as 0-8-16-32, or a list of"
            " whole numbers",
            "write sampling.init_t: auto",
        ),
        (
            "prompts: [a red circle]",
            "prompts: ['']",
            "prompts[0] is '', but must be text that is not empty",
            'write prompts: ["a red circle"]',
        ),
        ("title: My model\n", "", "title is missing", "add title: FLUX.1-dev"),
    ],
)
def test_wrong_value_is_named_with_what_is_allowed(refusal, old, new, message, hint):
    assert refusal(old, new) == (message, hint)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("path: weights", "path: weights\nrepo: a/b", "give either repo or path"),
        ("path: weights\n", "", "give either repo or path"),
        ("seed: 42", "revision: main", "revision belongs to repo, not to path"),
        (
            "seed: 42",
            "components: {vae: {repo: a/b, path: c}, unet: {revision: d, subfolder: e}}\n"
            "adapters: [{file: f.safetensors}]",
            "give either components.vae.repo or components.vae.path; components.unet.revision "
            "belongs to components.unet.repo; components.unet.subfolder needs a repo or path of "
            "its own; adapters[0] needs a repo or path",
        ),
        ("kind: image", "kind: video", "a video preset needs fps"),
        ("seed: 42", "fps: 24", "fps is for video presets only"),
        (
            "criterion: core_index, index: 1",
            "criterion: residual",
            "sampling.stop.criterion residual needs sampling.stop.residual",
        ),
        (
            "criterion: core_index, index: 1",
            "index: 9",
            "sampling.stop.index is 9, but sampling.cores 4 makes outputs 0 to 4",
        ),
        ("height: 128", "height: 100", "height is 100, but this model takes a multiple of 16"),
        ("cores: 4", "cores: 51", "cores is 51, but 50 steps allow at most 50 cores"),
        (
            "num_inference_steps: 50",
            "num_inference_steps: 1000000",
            "steps is 1000000, but a grid has at most 10000 steps",
        ),
        ("init_t: auto", "init_t: 0-8", "init_t 0-8 has 2 starts, but cores is 4"),
        ("init_t: auto", "init_t: 0-8-8-9", "init_t 0-8-8-9 repeats 8"),
    ],
)  # fmt: skip
def test_keys_that_contradict_each_other_are_named(refusal, old, new, message):
    assert refusal(old, new) == (message, "fix it in mine.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": holds nothing, but a preset is a mapping of keys"),
        ("- a", ": holds a list, but a preset is a mapping of keys"),
        (f"{BASE}seed: 43", ":13: key 'seed' comes twice"),
        ("name: [a", ":1: expected ',' or ']', but got '<stream end>'"),
        (
            "name: !!python/object:os.system x",
            ":1: could not determine a constructor for the tag"
            " 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("? [a]\n: b", ":1: found unhashable key"),
    ],
)
def test_file_that_is_no_preset_is_refused_with_its_line(tmp_path, content, message):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_preset(file)
    assert caught.value.message == f"{file}{message}"


def test_file_that_is_not_utf8_is_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_bytes("title: é".encode("latin-1"))
    with pytest.raises(UsageError, match=r"mine\.yaml is not UTF-8"):
        load_preset(file)


def test_file_that_is_too_long_for_a_preset_is_not_even_read(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("#" * 1_000_001)
    with pytest.raises(UsageError, match=r"mine\.yaml has more than 1,000,000 bytes"):
        load_preset(file)


def test_file_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"(?m)^preset file nowhere/mine\.yaml does not exist$"):
        find_preset("nowhere/mine.yaml")


def test_built_in_model_is_found_and_is_right():
    demo = find_preset("demo-image")
    assert (demo.name, demo.kind, demo.pipeline) == ("demo-image", "image", "FluxPipeline")
    assert len(demo.prompts) == 4


@pytest.mark.parametrize("file", available_presets(), ids=lambda file: file.name)
def test_shipped_preset_is_right_and_named_as_its_file(file):
    assert load_preset(file.file).name == file.name


def test_users_preset_hides_the_shipped_one_of_the_same_name(user_folder):
    (user_folder / "demo-image.yaml").write_text(BASE)
    found = {preset.name: preset.origin for preset in available_presets()}
    assert found["demo-image"] == "user"
    assert find_preset("demo-image").title == "My model"


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("min", "mine"), ("mine-2", "mine"), ("mnie", "mine"), ("flux.1-DEV", "flux")],
)
def test_unknown_model_is_met_with_the_names_that_are_nearest(user_folder, typed, nearest):
    (user_folder / "mine.yaml").write_text(BASE)
    with pytest.raises(UsageError) as caught:
        find_preset(typed)
    assert caught.value.message == f"unknown model {typed!r}"
    assert caught.value.hint == (
        f"did you mean {nearest}? `chords presets` lists all; a file name ends in .yaml"
    )


@pytest.mark.parametrize("name", ["zzz", ""])
def test_unknown_model_like_no_other_is_met_with_the_command_that_lists_all(user_folder, name):
    with pytest.raises(UsageError) as caught:
        find_preset(name)
    assert caught.value.hint == "`chords presets` lists all; a file name ends in .yaml"


@pytest.mark.parametrize(
    ("sizes", "message", "hint"),
    [
        ({"width": 130}, "width is 130, but this model takes a multiple of 16",
         "try --width 128 or --width 144"),
        ({"height": 8}, "height is 8, but this model takes a multiple of 16",
         "try --height 16 or --height 32"),
        ({"frames": 0}, "frames is 0, but must be above 0 and a multiple of 4 plus 1",
         "try --frames 1 or --frames 5"),
        ({"frames": 8}, "frames is 8, but this model takes a multiple of 4 plus 1",
         "try --frames 5 or --frames 9"),
    ],
)  # fmt: skip
def test_size_that_the_pipeline_does_not_allow_is_met_with_the_nearest_that_are(
    preset, sizes, message, hint
):
    rule = "limits: {size_multiple: 16, frames: {multiple: 4, offset: 1}}"
    limits = preset("limits: {size_multiple: 16}", rule).limits
    limits.check(width=128, height=256, frames=81)
    with pytest.raises(UsageError) as caught:
        limits.check(**sizes)
    assert caught.value.spelled(as_option) == (message, hint)


def test_size_above_zero_is_all_that_a_pipeline_without_a_rule_wants(preset):
    limits = preset("limits: {size_multiple: 16}", "limits: {}").limits
    limits.check(width=1, frames=2)
    with pytest.raises(UsageError) as caught:
        limits.check(frames=-1)
    assert caught.value.message == "frames is -1, but must be above 0"
    assert caught.value.hint == "try frames=1 or frames=2"
