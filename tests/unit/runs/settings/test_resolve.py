import re
import sys
from pathlib import Path

import pytest

from chords_cli.cli.options import as_option
from chords_cli.errors import PlanError, UsageError
from chords_cli.presets import files
from chords_cli.runs.settings.options.request import Request
from chords_cli.runs.settings.resolve import resolve
from chords_cli.sampler import chords_plan, wavefront_plan
from chords_cli.sampler.stop import StopRule
from tests.unit.conftest import GPUS


def test_cores_alone_give_the_presets_settings(resolved):
    settings = resolved(cores=4)
    assert settings.plan == wavefront_plan(50, 4, 11).until(1)
    assert settings.stop == StopRule("core_index", 1)
    assert (settings.seed, settings.num, settings.dtype) == (42, 1, "float32")
    assert settings.prompts == ("a cat", "a dog")
    assert settings.call["width"] == 96
    assert settings.devices == GPUS
    assert settings.note is None


def test_options_win_over_the_preset(resolved):
    settings = resolved(
        steps=20, cores=2, seed=7, num=3, guidance=5.0, width=32, height=48, dtype="bfloat16"
    )
    assert settings.call == {
        "height": 48,
        "width": 32,
        "num_inference_steps": 20,
        "guidance_scale": 5.0,
        "negative_prompt": "",
    }
    assert (settings.plan.steps, settings.plan.cores) == (20, 2)
    assert (settings.seed, settings.num, settings.dtype) == (7, 3, "bfloat16")


def test_cores_follow_the_starts_when_only_these_are_said(resolved):
    assert resolved(init_t="0-10-30").plan == chords_plan(50, (0, 10, 30)).until(1)


def test_guidance_sets_true_guidance_where_the_preset_uses_it(resolved, preset_file):
    text = preset_file.read_text().replace("guidance_scale: 3.5", "true_cfg_scale: 2.0")
    preset_file.write_text(text.replace("num_inf", "guidance_scale: 1.0, num_inf"))
    call = resolved(guidance=4.0).call
    assert (call["true_cfg_scale"], call["guidance_scale"]) == (4.0, 1.0)


def test_sequential_returns_the_exact_result_whatever_the_preset_stops_at(resolved, preset_file):
    stop = "sampling: {cores: 4, stop: {criterion: residual, residual: 0.1}}"
    preset_file.write_text(preset_file.read_text().replace("sampling: {cores: 4}", stop))
    settings = resolved(algo="sequential")
    assert settings.stop == StopRule("core_index", 1)
    assert settings.plan.hits[-1].round == 50


def test_the_core_that_makes_the_result_is_the_only_one_to_decode(resolved):
    assert resolved(stop_index=0).decoders == {3}
    assert resolved(stop_index=1).decoders == {3}
    assert resolved(stop_index=4).decoders == {0}


def test_a_residual_rule_has_every_core_ready_to_decode(resolved):
    assert resolved(stop_residual=0.1).decoders == {0, 1, 2, 3}


def test_all_cores_run_on_to_the_exact_result_when_no_stop_is_said(resolved):
    settings = resolved(all_cores=True)
    assert [hit.index for hit in settings.plan.hits] == [0, 1, 2, 3, 4]
    assert settings.stop == StopRule("core_index", 1)
    assert settings.decoders == {0, 1, 2, 3}


def test_all_cores_run_to_the_stop_that_is_said(resolved):
    settings = resolved(all_cores=True, stop_index=2)
    assert [hit.index for hit in settings.plan.hits] == [0, 1, 2]
    assert settings.decoders == {3, 2}


def test_default_output_is_a_new_folder_named_by_time_and_model(resolved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20260102-030405")
    assert resolved(output=None).output == Path("outputs/20260102-030405-toy")
    Path("outputs/20260102-030405-toy").mkdir(parents=True)
    assert resolved(output=None).output == Path("outputs/20260102-030405-toy-2")


def test_a_model_that_is_not_said_is_the_built_in_one():
    assert resolve(Request(kind="image", devices="cpu")).preset.name == "demo-image"


REFUSED = [
    (
        {"stop_index": 1, "stop_residual": 0.1},
        "--stop-index 1 and --stop-residual 0.1 exclude each other",
        "give one of them",
    ),
    (
        {"stop_index": 5},
        "stop_index is 5, but 4 cores make outputs 0 to 4",
        "try --stop-index 1",
    ),
    (
        {"stop_index": -1},
        "stop_index is -1, but 4 cores make outputs 0 to 4",
        "try --stop-index 1",
    ),
    (
        {"stop_residual": 0.0},
        "stop_residual is 0, but a residual is finite and above 0",
        "try --stop-residual 0.05",
    ),
    (
        {"init_t": "0-a-8"},
        "init_t '0-a-8' is not a list of whole numbers joined by dashes",
        "write one start a core, slowest first, as in 0-8-16-32",
    ),
    (
        {"init_t": "4-8"},
        "init_t 4-8 does not start at 0",
        "core 0 visits every step: begin with 0, as in 0-8-16-32",
    ),
    (
        {"init_t": "0-16-8"},
        "init_t 0-16-8 is not increasing: 8 follows 16",
        "sort the starts, slowest core first, as in 0-8-16-32",
    ),
    ({"init_t": "0-8-8"}, "init_t 0-8-8 repeats 8", "give every core its own start"),
    (
        {"init_t": "0-50"},
        "init_t 0-50 reaches 50, but the grid's last step is 49",
        "keep every start below --steps 50",
    ),
    (
        {"init_t": "0-8", "cores": 3},
        "init_t 0-8 has 2 starts, but cores is 3",
        "use --cores 2, or leave out --cores or --init-t",
    ),
    (
        {"algo": "sequential", "cores": 4},
        "cores is 4, but algo sequential runs on 1 core",
        "use --algo wavefront, or --cores 1",
    ),
    ({"cores": 0}, "cores is 0, but a run has at least 1 core", "try --cores 4"),
    (
        {"cores": 9, "steps": 8},
        "cores is 9, but 8 steps allow at most 8 cores",
        "use --cores 8 or fewer, or more --steps",
    ),
    ({"steps": 0}, "steps is 0, but a grid has at least 1 step", "try --steps 50"),
    ({"num": 0}, "num is 0, but must be at least 1", "try --num 1"),
    (
        {"prompts": ["a"], "num": 10**9},
        "num is 1000000000, but a run makes at most 100000",
        "use --num 100000 or less",
    ),
    (
        {"prompts": ["a", "b"], "num": 60_000},
        "num is 60000 for each of 2 prompts, but a run makes at most 100000",
        "use --num 50000 or less",
    ),
    ({"seed": -1}, "seed is -1, but must be from 0 to 2^64 - 1", "try --seed 42"),
    (
        {"seed": 2**64 - 1, "num": 2},
        "seed is 18446744073709551615 and num is 2, but the last seed would be "
        "18446744073709551616, above 2^64 - 1",
        "try --seed 42",
    ),
    (
        {"cores": 4, "steps": 1},
        "cores is 4, but 1 step allows only 1 core",
        "use --cores 1, or more --steps",
    ),
    (
        {"stop_residual": float("inf")},
        "stop_residual is inf, but a residual is finite and above 0",
        "try --stop-residual 0.05",
    ),
    (
        {"guidance": float("inf")},
        "guidance is inf, but must be finite and 0 or more",
        "try --guidance 3.5",
    ),
    (
        {"width": 500},
        "width is 500, but this model takes a multiple of 16",
        "try --width 496 or --width 512",
    ),
    (
        {"height": 0},
        "height is 0, but must be above 0 and a multiple of 16",
        "try --height 16 or --height 32",
    ),
    ({"frames": 9}, "frames is 9, but toy makes images", "leave out --frames"),
    ({"fps": 8}, "fps is 8, but toy makes images", "leave out --fps"),
    ({"dtype": "int8"}, "dtype 'int8' is not known", "choose float32, bfloat16, float16"),
    ({"guidance": -1.0}, "guidance is -1, but must be finite and 0 or more", "try --guidance 3.5"),
    (
        {"negative_prompt": "blur", "guidance": 1.0},
        "a negative prompt does nothing at guidance 1",
        "raise --guidance above 1, or leave out --negative-prompt",
    ),
    ({"timeout": 0.0}, "timeout is 0 seconds, but must be finite and above 0", "try --timeout 600"),
    (
        {"timeout": float("nan")},
        "timeout is nan seconds, but must be finite and above 0",
        "try --timeout 600",
    ),
    (
        {"devices": "gpu"},
        "device 'gpu' is not known",
        "write --devices cpu or --devices cuda:0,cuda:1; xpu:0 and mps are known too",
    ),
    (
        {"devices": "cpu,"},
        "device '' is not known",
        "write --devices cpu or --devices cuda:0,cuda:1; xpu:0 and mps are known too",
    ),
    (
        {"algo": "chords", "rounds": 10},
        "rounds is 10, but algo chords is not planned by rounds",
        "use --algo wavefront, or leave out --rounds",
    ),
    *(
        (
            {**sequential, "stop_residual": 0.1},
            "stop_residual is 0.1, but algo sequential has its result at its last step",
            "use --algo wavefront, or leave out --stop-residual",
        )
        for sequential in ({"algo": "sequential"}, {"cores": 1})
    ),
    (
        {"output": None, "resume": True},
        "--resume is given without --output",
        "name the folder of the earlier run with --output",
    ),
    (
        {"resume": True, "overwrite": True},
        "--resume and --overwrite exclude each other",
        "give one: --resume keeps what is done, --overwrite makes all of it again",
    ),
]


@pytest.mark.parametrize(("options", "message", "hint"), REFUSED)
def test_bad_options_are_refused_with_their_values_and_the_way_out(refused, options, message, hint):
    assert refused(**options) == (message, hint)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"guidance": 2.0}, "guidance is 2, but toy takes none", "leave out --guidance"),
        (
            {"negative_prompt": "blur"},
            "toy takes no negative prompt",
            "leave out --negative-prompt",
        ),
    ],
)
def test_what_the_pipeline_does_not_take_is_refused(refused, preset_file, options, message, hint):
    text = preset_file.read_text()
    preset_file.write_text(text.replace(', guidance_scale: 3.5, negative_prompt: ""', ""))
    assert refused(**options) == (message, hint)


def test_a_plan_that_cannot_be_is_a_plan_error(resolved):
    with pytest.raises(PlanError):
        resolved(init_t="0-60")


def test_a_preset_of_another_kind_is_refused_with_the_command_to_type(refused, preset_file):
    text = re.sub("kind: image", "kind: video\nfps: 8", preset_file.read_text())
    preset_file.write_text(text)
    assert refused() == (
        "toy makes videos, but this is chords image",
        f"type chords video --model {preset_file}",
    )


def test_resolving_settings_leaves_torch_and_its_friends_unloaded():
    import subprocess

    code = (
        "import sys; from chords_cli.runs.generate.run import generate; "
        "from chords_cli.runs.settings.resolve import resolve; "
        "from chords_cli.runs.settings.options.request import Request; "
        "resolve(Request(kind='image', devices='cpu')); "
        "print({'torch', 'numpy', 'PIL', 'diffusers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_kind_without_a_built_in_model_wants_one_named(monkeypatch):
    monkeypatch.setattr(files, "DEFAULT", {"video": "none-yet"})
    with pytest.raises(UsageError) as caught:
        resolve(Request(kind="video"))
    assert caught.value.spelled(as_option)[0] == "there is no built-in video model"
    assert "wan2-1" in caught.value.spelled(as_option)[1]
    assert caught.value.spelled(as_option)[1].endswith("as in chords video --model wan2-2-5b")


@pytest.mark.parametrize(
    ("devices", "cores", "algo"),
    [
        ("cuda:0,cuda:1,cuda:2", 3, "wavefront"),
        ("cuda:0,cuda:1", 2, "wavefront"),
        ("cpu", 1, "sequential"),
    ],
)
def test_cores_of_the_preset_are_a_wish_for_as_many_devices(resolved, devices, cores, algo):
    settings = resolved(devices=devices, stop_index=1)
    assert (settings.plan.cores, settings.plan.algo) == (cores, algo)
    assert settings.devices == tuple(devices.split(","))
    assert "--cores 4 has them share" in settings.note


def test_cores_that_are_asked_for_share_devices_and_are_warned_of(resolved):
    for options in ({"cores": 4}, {"init_t": "0-8-16-32"}):
        settings = resolved(devices="cuda:0,cuda:1", **options)
        assert settings.devices == ("cuda:0", "cuda:1") * 2
        assert settings.note.startswith("4 cores share 2 devices, up to 2 on one")


def test_more_devices_than_the_preset_has_cores_stay_free(resolved):
    settings = resolved(cores=2)
    assert settings.devices == ("cuda:0", "cuda:1")
    assert "device" not in (settings.note or "")


def test_split_guidance_gives_a_core_to_every_two_devices(resolved, preset_file):
    guided = preset_file.read_text().replace("guidance_scale: 3.5", "true_cfg_scale: 4.0")
    preset_file.write_text(guided)
    for devices, cores in (("cuda:0,cuda:1,cuda:2,cuda:3", 2), ("cuda:0,cuda:1", 1)):
        settings = resolved(devices=devices, guidance_split=True, stop_index=1)
        assert settings.plan.cores == cores
        assert settings.devices == tuple(devices.split(","))


def test_a_preset_may_split_guidance_and_an_option_may_not(resolved, preset_file):
    guided = preset_file.read_text().replace("guidance_scale: 3.5", "true_cfg_scale: 4.0")
    preset_file.write_text(guided + "guidance_split: true\n")
    assert resolved().members == resolved(cores=2).members == 2
    assert resolved(guidance_split=False).members == 1


def test_files_that_are_named_later_are_not_missed_yet(four_gpus, preset_file):
    text = preset_file.read_text().replace("FluxPipeline", "FluxKontextPipeline")
    preset_file.write_text(f"{text}inputs: {{image: {{}}}}\n")
    request = Request(kind="image", model=str(preset_file))
    settings = resolve(request, complete=False)
    assert (settings.inputs, settings.plan.steps) == ((), 50)
    with pytest.raises(UsageError, match="toy starts from a picture, and none is given"):
        resolve(request)
