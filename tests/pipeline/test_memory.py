"""Where memory goes: a large text encoder is held by core 0 alone, by nobody else and not twice."""

import os
from pathlib import Path

import psutil
import pytest
from transformers import T5Config, T5EncoderModel

from chords_cli.events import CoreStarted, CoreStepped, Event
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import chords_plan, default_init_t
from chords_cli.sampler.stop import StopRule
from tests.doubles import tiny
from tests.pipeline.conftest import call_of, pool_of

STEPS, CORES = 8, 3
ENCODER = 200_000_000
"""Bytes of the text encoder in bfloat16. Its file is in float32, so that loading it makes a copy:
what is loaded as it is stays in the page cache, which all processes share."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A tiny FLUX whose T5 has a vocabulary of 200 MB."""
    folder: Path = tmp_path_factory.mktemp("large")
    tiny.BUILDERS["flux"]().save_pretrained(folder)
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}
    config = T5Config(vocab_size=ENCODER // (2 * 32), feed_forward_proj="gated-gelu", **sizes)
    T5EncoderModel(config).save_pretrained(folder / "text_encoder_2")
    weights = (folder / "text_encoder_2").glob("*.safetensors")
    assert sum(file.stat().st_size for file in weights) > 2 * ENCODER
    return ModelSpec(folder=str(folder), pipeline="FluxPipeline", dtype="bfloat16")


class Scale:
    """A listener that weighs the processes of a run at every step: memory that none shares."""

    def __init__(self) -> None:
        self._processes: dict[int | str, psutil.Process] = {"parent": psutil.Process(os.getpid())}
        self.first = self._weigh()
        self.most = dict(self.first)

    def __call__(self, event: Event) -> None:
        if isinstance(event, CoreStarted) and event.pid:
            self._processes[event.core] = psutil.Process(event.pid)
        if isinstance(event, CoreStepped):
            for who, weight in self._weigh().items():
                self.most[who] = max(weight, self.most.get(who, 0))

    def _weigh(self) -> dict[int | str, int]:
        return {who: process.memory_full_info().uss for who, process in self._processes.items()}


@pytest.mark.slow
def test_neither_the_parent_nor_a_faster_core_holds_a_copy_of_the_text_encoder(
    large: ModelSpec,
) -> None:
    scale = Scale()
    plan = chords_plan(STEPS, default_init_t(STEPS, CORES))
    with pool_of(large, CORES, listener=scale) as pool:
        assert "text_encoder_2" in pool.components[0]
        assert pool.components[1:] == (("transformer", "vae"),) * (CORES - 1)
        pool.sample(plan, call_of("flux", STEPS), 0, StopRule(), keep=True)
    assert scale.most[0] > ENCODER
    assert scale.most["parent"] - scale.first["parent"] < ENCODER / 4
    assert max(scale.most[core] for core in range(1, CORES)) < ENCODER / 2
