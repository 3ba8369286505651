"""What can be known of a model before it is loaded is said before, by a run and by a dry run."""

import json
import shutil
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from chords_cli.engine.devices import Memory
from chords_cli.runs.settings.layouts import capacity
from tests.doubles import tiny

PRESET = """
name: mine
title: Mine
kind: image
path: model
pipeline: FluxPipeline
dtype: float32
license: {name: MIT}
call: {height: 8, width: 8, num_inference_steps: 4, max_sequence_length: 16}
sampling: {cores: 2}
prompts: [a cat]
"""
WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def mine(home, tmp_path) -> Path:
    """A folder with a model of its own, and `mine.yaml`, which runs it."""
    shutil.copytree(Path(home["HOME"]) / "model", tmp_path / "model")
    (tmp_path / "mine.yaml").write_text(PRESET)
    return tmp_path


def change(file: Path, **values: Any) -> None:
    """Sets keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def quantized(model: Path) -> None:
    settings = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    change(model / "transformer/config.json", quantization_config=settings)


def quantized_text_encoder(model: Path) -> None:
    change(model / "text_encoder/config.json", quantization_config={"quant_method": "awq"})


def quantized_in_an_unknown_way(model: Path) -> None:
    change(model / "transformer/config.json", quantization_config={"quant_method": "hq"})


def own_code(model: Path) -> None:
    (model / "transformer/my_model.py").write_text("raise SystemExit('run')")
    change(model / "model_index.json", transformer=["my_model", "MyTransformer"])


def unknown_class(model: Path) -> None:
    change(model / "model_index.json", vae=["diffusers", "AutoencoderKLNext"])


def unknown_encoder(model: Path) -> None:
    change(model / "model_index.json", text_encoder=["transformers", "CLIPTextModell"])


def unknown_library(model: Path) -> None:
    change(model / "model_index.json", text_encoder=["textlib", "TextModel"])


def no_weights(model: Path) -> None:
    (model / WEIGHTS).unlink()


def no_shard(model: Path) -> None:
    shard = "diffusion_pytorch_model-00001-of-00001.safetensors"
    (model / WEIGHTS).unlink()
    index = {"metadata": {}, "weight_map": {"a": shard}}
    (model / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


def no_component(model: Path) -> None:
    shutil.rmtree(model / "vae")


def cut(model: Path) -> None:
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-100])


def cut_scheduler(model: Path) -> None:
    (model / "scheduler/scheduler_config.json").write_text('{"_class')


def cut_vocabulary(model: Path) -> None:
    (model / "tokenizer_2/tokenizer.json").write_bytes(b'{"' + b"x" * (1 << 20))


def one_variant(model: Path) -> None:
    (model / WEIGHTS).rename(model / WEIGHTS.replace(".safetensors", ".fp16.safetensors"))


OTHERS = "name a model whose components are classes of diffusers and transformers"
SAVED = "copy what is missing, or point the preset's path at a folder that `save_pretrained` wrote"

REFUSED: dict[Callable[[Path], None], tuple[str, str]] = {
    quantized: (
        "component transformer is quantized with bitsandbytes_4bit and needs bitsandbytes, which "
        "is not installed",
        "pip install bitsandbytes, or name a model that is not quantized",
    ),
    quantized_text_encoder: (
        "component text_encoder is quantized with awq and needs gptqmodel, which is not installed",
        "pip install gptqmodel, or name a model that is not quantized",
    ),
    quantized_in_an_unknown_way: (
        "component transformer is quantized with hq, which is no method of diffusers or "
        "transformers",
        "did you mean hqq? known are ",
    ),
    own_code: (
        "component transformer has the class MyTransformer of the model's own code, "
        "transformer/my_model.py, which is never run",
        OTHERS,
    ),
    unknown_class: (
        "component vae has the class AutoencoderKLNext, which diffusers "
        f"{version('diffusers')} does not know",
        f"upgrade diffusers, or {OTHERS}",
    ),
    unknown_encoder: (
        "component text_encoder has the class CLIPTextModell, which transformers "
        f"{version('transformers')} does not know",
        f"upgrade transformers, or {OTHERS}",
    ),
    unknown_library: (
        "component text_encoder has the class TextModel of textlib, whose code is never run",
        OTHERS,
    ),
    no_weights: (
        "{model} is not complete: component transformer has no "
        "diffusion_pytorch_model.safetensors: other formats are not loaded",
        SAVED,
    ),
    no_shard: (
        "{model} is not complete: component transformer has no "
        "diffusion_pytorch_model-00001-of-00001.safetensors, which its index names",
        SAVED,
    ),
    no_component: ("{model} is not complete: component vae has no configuration", SAVED),
    cut: (
        f"{WEIGHTS} of {{model}} has {{cut}} bytes instead of {{whole}}",
        "copy or save it again",
    ),
    cut_scheduler: (
        "scheduler/scheduler_config.json of {model} is damaged: it is no JSON",
        "copy or save it again",
    ),
    cut_vocabulary: (
        "tokenizer_2/tokenizer.json of {model} is damaged: it is no JSON",
        "copy or save it again",
    ),
    one_variant: (
        "{model} is not complete: component transformer has no "
        "diffusion_pytorch_model.safetensors, only weights of the variant fp16",
        "write `variant: fp16` in the preset",
    ),
}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_a_model_that_cannot_be_loaded_is_refused(spoil, mine, command):
    model = mine / "model"
    whole = (model / WEIGHTS).stat().st_size
    spoil(model)
    message, hint = REFUSED[spoil]
    message = message.format(model=model, cut=whole - 100, whole=whole)
    for more in ([], ["--dry-run"]):
        line = ["image", "--model", "mine.yaml", "--devices", "cpu", *more]
        done = command(*line, cwd=mine, code=2)
        assert done.err.startswith(f"error: {message}\nhint: {hint}")
    assert sorted(path.name for path in mine.iterdir()) == ["mine.yaml", "model"]


def test_a_preset_that_quantizes_without_the_package_is_refused(mine, command):
    with (mine / "mine.yaml").open("a") as preset:
        preset.write("quantization: {backend: bitsandbytes_8bit}\n")
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--dry-run"]
    assert command(*line, cwd=mine, code=2).err == (
        "error: quantization.backend is bitsandbytes_8bit and needs bitsandbytes, which is not "
        "installed\nhint: pip install bitsandbytes, or remove `quantization` from the preset\n"
    )


SCHEDULERS = {
    "clip_sample by default": (
        "{class: DDIMScheduler, from_config: false}",
        [],
        "clip_sample of DDIMScheduler clips what the model predicts, but wavefront needs linear "
        "steps",
        "use --algo chords, or add `clip_sample: false` to scheduler.args in the preset",
    ),
    "thresholding": (
        "{class: DPMSolverMultistepScheduler, args: {thresholding: true}}",
        [],
        "thresholding of DPMSolverMultistepScheduler clips what the model predicts, but wavefront "
        "needs linear steps",
        "use --algo chords, or add `thresholding: false` to scheduler.args in the preset",
    ),
    "bh1 to sigma 0": (
        "{class: UniPCMultistepScheduler, args: {solver_type: bh1}}",
        ["--algo", "chords"],
        "UniPCMultistepScheduler makes nan in its last step: solver_type bh1 cannot end at sigma 0",
        "add `solver_type: bh2` and `predict_x0: true`, or `final_sigmas_type: sigma_min`, to "
        "scheduler.args in the preset",
    ),
    "one step with shift_terminal": (
        "{class: FlowMatchEulerDiscreteScheduler, args: {shift_terminal: 0.02}}",
        ["--steps", "1", "--cores", "1"],
        "steps is 1, but FlowMatchEulerDiscreteScheduler with shift_terminal 0.02 needs at least "
        "2 steps",
        "try --steps 2",
    ),
}


@pytest.mark.parametrize("case", SCHEDULERS)
def test_a_scheduler_that_cannot_step_is_refused(case, mine, command):
    scheduler, options, message, hint = SCHEDULERS[case]
    (mine / "mine.yaml").write_text(f"{PRESET}scheduler: {scheduler}\n")
    line = ["image", "--model", "mine.yaml", "--devices", "cpu"]
    cores = [] if "--cores" in options else ["--cores", "2"]
    for more in ([], ["--dry-run"]):
        done = command(*line, *options, *cores, *more, cwd=mine, code=2)
        assert done.err == f"error: {message}\nhint: {hint}\n"


def test_what_clips_is_no_matter_where_one_core_goes_alone(mine, command):
    (mine / "mine.yaml").write_text(
        f"{PRESET}scheduler: {SCHEDULERS['clip_sample by default'][0]}\n"
    )
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--dry-run", "--json"]
    assert command(*line, cwd=mine).document["algo"] == "sequential"


def test_weights_of_a_variant_are_loaded_when_the_preset_names_it(mine, command):
    shutil.rmtree(mine / "model")
    pipe = tiny.BUILDERS["flux"]()
    pipe.save_pretrained(mine / "model", variant="fp16")
    (mine / "mine.yaml").write_text(f"{PRESET}variant: fp16\n")
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--cores", "2", "--output"]
    planned = command(*line, "out", "--dry-run", "--json", cwd=mine).document
    size = sum(weight.nbytes for weight in pipe.vae.parameters())
    assert planned["memory"]["cores"][1]["components"]["vae"] == size
    assert command(*line, "out", "--quiet", cwd=mine).out == "out/0001-a-cat-s42.png\n"


@pytest.fixture
def free(monkeypatch) -> Callable[..., None]:
    """Sets how many bytes the devices have free."""

    def set_free(**devices: int) -> None:
        def measured(asked: Collection[str]) -> dict[str, Memory]:
            return {name: Memory(title=name, free=devices[name]) for name in asked}

        monkeypatch.setattr(capacity, "device_memory", measured)

    return set_free


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_picture_that_no_memory_can_hold_is_refused(more, mine, command, free):
    free(cpu=20_000_000_000)
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--cores", "1", *more]
    done = command(*line, "--width", "100000", "--height", "100000", cwd=mine, code=2)
    assert done.err == (
        "error: an image with width 100000 and height 100000 takes at least 320.0 GB of memory, "
        "but cpu has 20.0 GB free\nhint: try --width 8 and --height 8\n"
    )


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_model_that_no_memory_can_hold_is_refused(more, mine, command, free):
    free(cpu=100_000)
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--cores", "2", *more]
    assert command(*line, cwd=mine, code=2).err == (
        "error: 2 cores of mine take together at least 0.0 GB of memory, but cpu has 0.0 GB free\n"
        "hint: choose a smaller model, or --devices with more memory\n"
    )


def test_a_model_that_is_tight_is_said_before_the_cores_start(mine, command, free):
    weights = sum(file.stat().st_size for file in mine.rglob("*.safetensors"))
    free(cpu=weights + 10_000)
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--cores", "1", "--steps", "1"]
    words = "mine is tight: it takes at least 0.0 GB of memory, and cpu has 0.0 GB free"
    assert words in command(*line, "--dry-run", cwd=mine).out
    assert words in command(*line, "--output", "out", cwd=mine).err
    assert json.loads((mine / "out" / "run.json").read_text())["note"] == words


def test_cores_that_meet_on_an_interface_that_is_not_there_are_refused(mine, command, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth77")
    line = ["image", "--model", "mine.yaml", "--devices", "cpu", "--dry-run"]
    done = command(*line, "--cores", "2", cwd=mine, code=2)
    message, hint = done.err.splitlines()
    start = "error: GLOO_SOCKET_IFNAME is eth77, but this machine has the network interfaces lo"
    assert message.startswith(start)
    assert hint == "hint: unset GLOO_SOCKET_IFNAME, or set it to the host's loopback interface"
    command(*line, "--cores", "1", cwd=mine)
