"""Compiling is no sampling: every core calls its model first, and the next run compiles less."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from chords_cli.engine.samples.job import Sampled
from chords_cli.errors import UsageError
from chords_cli.events import CoreCompiled, CoreCompiling, CoreEncoded, CoreStepped, Event
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler.stop import StopRule
from chords_cli.sampler.wavefront import wavefront_plan
from tests.pipeline.conftest import call_of, pool_of
from tests.waiting import ended

pytestmark = pytest.mark.broad

STEPS, SEED = 6, 7
PLAN = wavefront_plan(STEPS, 2, 4)
Spec = Callable[[str], ModelSpec]
NOTHING = {"disable": True}
"""With these arguments torch compiles nothing, which is quick; cores do the same as with others."""


def latents(sampled: Sampled) -> list[bytes]:
    return [output.latent.data for output in sampled.outputs]


def test_every_core_compiles_before_any_samples_and_again_for_other_sizes(spec: Spec) -> None:
    heard, call = list[Event](), call_of("flux", STEPS)
    wide = call | {"width": 2 * call["width"]}
    with pool_of(spec("flux"), 2) as pool:
        plain = [pool.sample(PLAN, one, SEED, StopRule(), keep=True) for one in (call, wide)]
    with pool_of(replace(spec("flux"), compile=NOTHING), 2, listener=heard.append) as pool:
        made, compiled = list[Sampled](), list[list[int]]()
        for one in (call, call | {"prompt": "a dog"}, call, wide):
            heard.clear()
            made.append(pool.sample(PLAN, one, SEED, StopRule(), keep=True))
            kinds = [type(event) for event in heard]
            compiled.append(sorted(e.core for e in heard if isinstance(e, CoreCompiled)))
            if compiled[-1]:
                last = len(kinds) - 1 - kinds[::-1].index(CoreCompiled)
                assert last < min(kinds.index(CoreEncoded), kinds.index(CoreStepped))
                assert kinds.count(CoreCompiling) == 2
    assert compiled == [[0, 1], [], [], [0, 1]]
    assert [one.compile_seconds > 0 for one in made] == [True, False, False, True]
    assert all(one.encode_seconds > 0 for one in made)
    assert [latents(made[0]), latents(made[3])] == [latents(one) for one in plain]
    assert latents(made[2]) == latents(made[0])


def test_a_sample_that_is_cut_off_while_torch_compiles_leaves_the_cores_ready(spec: Spec) -> None:
    heard, call = list[Event](), call_of("flux", STEPS)

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, CoreCompiling) and event.core == 0:
            raise KeyboardInterrupt

    with pool_of(replace(spec("flux"), compile=NOTHING), 2, listener=listen) as pool:
        with pytest.raises(KeyboardInterrupt):
            pool.sample(PLAN, call, SEED, StopRule())
        made = pool.sample(PLAN, call, SEED, StopRule(), keep=True)
    assert len(made.outputs) == len(PLAN.hits)


def test_a_device_that_cannot_compute_an_attention_is_told_before_weights_are_read(
    spec: Spec, tmp_path: Path
) -> None:
    shutil.copytree(spec("flux").folder, tmp_path / "model")
    for weights in tmp_path.glob("model/*/*.safetensors"):
        weights.unlink()
    model = replace(spec("flux"), folder=str(tmp_path / "model"), attention="_native_efficient")
    with pytest.raises(UsageError) as caught:
        load_pipeline(model, device=torch.device("cpu"), encodes=True, decodes=True)
    assert caught.value.message.startswith(
        "attention _native_efficient does not work in float32 on this device: "
    )
    assert caught.value.hint == "name another attention in the preset, or none"


def test_a_named_attention_is_that_of_every_core_and_gives_the_same_bits(spec: Spec) -> None:
    made = []
    for attention in (None, "native", "_native_math"):
        with pool_of(replace(spec("flux"), attention=attention), 2) as pool:
            made.append(pool.sample(PLAN, call_of("flux", STEPS), SEED, StopRule(), keep=True))
    assert latents(made[0]) == latents(made[1])
    assert len(made[2].outputs) == len(made[0].outputs)


def test_a_model_with_one_way_to_compute_attention_is_refused(spec: Spec) -> None:
    with pytest.raises(UsageError) as caught:
        load_pipeline(
            replace(spec("sd3"), attention="native"),
            device=torch.device("cpu"),
            encodes=True,
            decodes=True,
        )
    assert caught.value.message == (
        "attention is native, but diffusers computes that of SD3Transformer2DModel in one way only"
    )


RUN = """
import sys
from chords_cli.cli.app import run
if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
"""

PRESET = """
name: mine
title: Mine
kind: image
path: {folder}
pipeline: FluxPipeline
dtype: float32
license: {{name: MIT}}
call: {{height: 8, width: 8, num_inference_steps: 4, max_sequence_length: 16}}
sampling: {{cores: 2}}
compile: {{}}
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch compiles for processors with g++")
def test_the_next_run_takes_what_torch_has_compiled(spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "mine.yaml").write_text(PRESET.format(folder=spec("flux").folder))
    cache, found = tmp_path / "compiled", []
    options = ("image", "--model", "mine.yaml", "a cat", "--cores", "1", "--devices", "cpu")
    for run in ("first", "second"):
        running = subprocess.Popen(
            [sys.executable, "run.py", *options, "--output", run],
            cwd=tmp_path,
            env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(cache)},
            stderr=subprocess.PIPE,
            text=True,
        )
        errors = ended(running)[1]
        assert running.returncode == 0, errors
        record = json.loads((tmp_path / run / "run.json").read_text())
        assert record["prompts"][0]["seconds"]["compile"] > 0
        graphs = {path for path in cache.glob("fxgraph/**/*") if path.is_file()}
        found.append((graphs, set(cache.glob("**/*.so"))))
    graphs, libraries = found[0]
    assert graphs
    assert libraries
    assert found[1] == found[0]  # else torch would have added what it compiled
