"""Every published family through the command line: against stock diffusers and the oracle."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from chords_cli.cli.app import run
from chords_cli.presets.call import true_guidance
from chords_cli.sampler import Plan, chords_plan, default_init_t, default_rounds, wavefront_plan
from tests.doubles import tiny
from tests.pipeline.conftest import PROMPT, call_of, threads_of
from tests.pipeline.oracle import EveryStep, Oracle, stock_latent

STEPS, SEED = 12, 7

OTHER_GUIDANCE: dict[str, dict[str, Any]] = {
    "flux": {"negative_prompt": "bad", "true_cfg_scale": 2.0},
    "sd3": {"guidance_scale": 1.0},
    "hunyuan": {"negative_prompt": "bad", "true_cfg_scale": 2.0},
    "wan": {"guidance_scale": 1.0},
    "cogvideo": {"guidance_scale": 1.0},
}
"""Turns each family's true guidance off, or on where it is off by default."""

PLANS = {"own": (("chords", 4),), "other": (("wavefront", 2),)}
"""Algorithms and cores by guidance; `wavefront` is what runs when nothing is said."""


def plan_of(algo: str, cores: int, pipe: DiffusionPipeline, call: dict[str, Any]) -> Plan:
    """The plan that runs when nothing but algorithm and cores is said."""
    if algo == "chords":
        return chords_plan(STEPS, default_init_t(STEPS, cores))
    guidance = true_guidance(type(pipe).__name__, call)
    return wavefront_plan(STEPS, cores, default_rounds(STEPS, cores, guidance), guidance)


Loaded = Callable[[str, str], Any]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.broad)])
@pytest.mark.parametrize("family", tiny.BUILDERS)
def test_family_keeps_the_bits_of_stock_and_every_output_equals_the_oracle(
    family: str, dtype: str, repository: Callable[[str], Path], loaded: Loaded, tmp_path: Path
) -> None:
    pipe = loaded(family, dtype)
    calls = {"own": call_of(family, STEPS)}
    calls["other"] = calls["own"] | OTHER_GUIDANCE[family]
    for guidance, call in calls.items():
        preset = _preset(tmp_path / f"{guidance}.yaml", repository(family), dtype, call)
        oracles: dict[int, Oracle] = {}  # by the number of threads, which may change bits
        with threads_of(1):
            stock = stock_latent(pipe, call, SEED)
        if (guidance, dtype) == ("own", "float32"):  # core 0 below takes the same steps
            assert torch.equal(_latents(preset, tmp_path, "--algo", "sequential")[1], stock)
        for algo, cores in PLANS[guidance]:
            with threads_of(cores):
                stock = stock_latent(pipe, call, SEED)
                plan = plan_of(algo, cores, pipe, call)
                if (threads := torch.get_num_threads()) not in oracles:
                    oracles[threads] = Oracle(pipe, call, SEED)
                expected = oracles[threads].outputs(plan)
            asked = () if algo == "wavefront" else ("--algo", algo)
            made = _latents(preset, tmp_path, *asked, "--cores", str(cores), "--all-cores")
            assert torch.equal(made[cores], stock)
            assert sorted(made) == [output.index for output in expected]
            for output in expected:
                assert torch.equal(made[output.index], output.latent), output.index


@pytest.mark.parametrize("algo", [pytest.param("chords", marks=pytest.mark.slow), "wavefront"])
def test_loop_that_counts_its_steps_equals_an_oracle_whose_loops_take_every_step(
    algo: str, repository: Callable[[str], Path], loaded: Loaded, tmp_path: Path
) -> None:
    pipe, call = loaded("lumina2", "float32"), call_of("lumina2", STEPS)
    preset = _preset(tmp_path / "lumina2.yaml", repository("lumina2"), "float32", call)
    with threads_of(3):
        expected = EveryStep(pipe, call, SEED).outputs(plan_of(algo, 3, pipe, call))
    made = _latents(preset, tmp_path, "--algo", algo, "--cores", "3", "--all-cores")
    assert sorted(made) == [output.index for output in expected]
    for output in expected:
        assert torch.equal(made[output.index], output.latent), output.index


@pytest.mark.parametrize("options", [(), ("--algo", "chords", "--cores", "4"), ("--dry-run",)])
def test_call_that_leaves_out_steps_is_refused_before_anything_starts(
    options: tuple[str, ...],
    repository: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = call_of("sdxl", STEPS) | {"denoising_end": 0.6}
    preset = _preset(tmp_path / "sdxl.yaml", repository("sdxl"), "float32", call)
    assert run(["image", PROMPT, "--model", str(preset), "--devices", "cpu", *options]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: denoising_end is 0.6, which leaves out the end of the loop, but a plan takes every "
        "step",
        "hint: remove denoising_end from the preset's call",
    ]


def _preset(path: Path, folder: Path, dtype: str, call: dict[str, Any]) -> Path:
    index = json.loads((folder / "model_index.json").read_text())
    document = {
        "name": path.stem,
        "title": "Tiny",
        "kind": "video" if "num_frames" in call else "image",
        "path": str(folder),
        "pipeline": index["_class_name"],
        "dtype": dtype,
        "license": {"name": "MIT"},
        "call": {key: value for key, value in call.items() if key != "prompt"},
        "seed": SEED,
    }
    if document["kind"] == "video":
        document["fps"] = 8
    path.write_text(yaml.safe_dump(document))
    return path


def _latents(preset: Path, folder: Path, *options: str) -> dict[int, torch.Tensor]:
    """The latents of a run, by the index of their output."""
    kind = yaml.safe_load(preset.read_text())["kind"]
    out = folder / f"{preset.stem}{''.join(options)}"
    line = [kind, PROMPT, "--model", str(preset), "--devices", "cpu", "--output", str(out)]
    assert run([*line, "--save-latents", "--quiet", *options]) == 0
    (made,) = json.loads((out / "run.json").read_text())["prompts"]
    return {
        output["index"]: load_file(out / output["latent"])["latent"]
        for output in made["outputs"]
        if output["latent"]
    }
