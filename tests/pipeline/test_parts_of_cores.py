"""What pipelines ask of the parts that a core has not, or that remember the sample before."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t, sequential_plan
from chords_cli.sampler.stop import StopRule
from tests.pipeline.conftest import as_tensor, call_of, pool_of

STEPS, SEED = 6, 7

Spec = Callable[[str, str], ModelSpec]


def test_a_core_that_decodes_nothing_knows_the_statistics_of_latents(spec: Spec) -> None:
    plan, call = chords_plan(STEPS, default_init_t(STEPS, 2)), call_of("flux2-klein", STEPS)
    model = spec("flux2-klein", "float32")
    latents = []
    for decoders in ({0, 1}, {1}):
        with pool_of(model, 2, decoders=frozenset(decoders)) as pool:
            assert ["vae" in names for names in pool.components] == [0 in decoders, True]
            outputs = pool.sample(plan, call, SEED, StopRule(index=1)).outputs
            latents.append([as_tensor(output.latent) for output in outputs])
    assert all(map(torch.equal, *latents))


def test_a_guider_that_stops_early_is_new_for_every_sample(spec: Spec, tmp_path: Path) -> None:
    model = spec("hunyuan1-5", "float32")
    folder = Path(shutil.copytree(model.folder, tmp_path / "early"))
    config = folder / "guider" / "guider_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"stop": 0.5}))
    plan, call = sequential_plan(STEPS), call_of("hunyuan1-5", STEPS)
    with pool_of(replace(model, folder=str(folder)), 1) as pool:
        first, second = (
            pool.sample(plan, call, SEED, StopRule(), again=True).outputs[-1] for _ in range(2)
        )
    assert first.latent == second.latent
