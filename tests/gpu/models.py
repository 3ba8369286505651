"""The models of the suite on the devices under test: tiny repositories, stock pipelines, pools."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from chords_cli.engine.pool import Pool, PoolSettings
from chords_cli.events import Event
from chords_cli.pipelines.load.accelerator import free_memory, make_current, module_of
from chords_cli.pipelines.load.loading import load_pipeline
from chords_cli.pipelines.load.reporting import report_loading
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.presets.files import find_preset
from chords_cli.sampler import Plan
from chords_cli.sampler.stop import StopRule
from tests.doubles import tiny, zoo
from tests.pipeline.conftest import as_tensor, call_of, threads_of
from tests.pipeline.oracle import stock_latent

BUILT_IN = ("demo-image", "demo-video")
STEPS, SEED = 6, 7

_BUILDERS = tiny.BUILDERS | zoo.BUILDERS


class Models:
    """Tiny repositories, saved once, and the built-in models."""

    def __init__(self, folder: Path, devices: tuple[str, ...]) -> None:
        self._folder, self.devices = folder, devices
        self.device = torch.device(devices[0])
        report_loading(lambda what, done, total: None)
        make_current(self.device)

    def spec(self, name: str, dtype: str = "float32", **keys: Any) -> ModelSpec:
        """How a model is loaded; `keys` as in `ModelSpec`."""
        if name in BUILT_IN:
            preset = find_preset(name)
            folder, pipeline = preset.path, preset.pipeline
        else:
            folder, pipeline = self.repository(name), type(_BUILDERS[name]()).__name__
        return ModelSpec(folder=str(folder), pipeline=pipeline, dtype=dtype, **keys)

    def repository(self, name: str) -> Path:
        """The folder of a tiny model."""
        folder = self._folder / name
        if not folder.exists():
            _BUILDERS[name]().save_pretrained(folder)
        return folder

    def preset(self, name: str, **keys: Any) -> Path:
        """A preset file of a tiny image model, with other `keys` if any are given."""
        document = {
            "name": name,
            "title": "Tiny",
            "kind": "image",
            "path": str(self.repository(name)),
            "pipeline": self.spec(name).pipeline,
            "dtype": "float32",
            "license": {"name": "MIT"},
            "call": {key: value for key, value in call(name).items() if key != "prompt"},
            "seed": SEED,
            **keys,
        }
        file = self._folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    def stock(self, spec: ModelSpec) -> Any:
        """The whole pipeline in this process, on core 0's device."""
        return load_pipeline(spec, device=self.device, encodes=True, decodes=True)

    def pool(
        self,
        spec: ModelSpec,
        cores: int,
        listener: Callable[[Event], None] = lambda event: None,
        *,
        members: int = 1,
        contexts: int = 1,
    ) -> Pool:
        """Cores of so many processes each, on the devices in turn."""
        ranks = range(cores * members)
        settings = PoolSettings(
            model=spec,
            devices=tuple(self.devices[rank % len(self.devices)] for rank in ranks),
            decoders=frozenset(range(cores)),
            members=members,
            contexts=contexts,
        )
        return Pool(settings, listener)

    @contextmanager
    def held(self, free: int) -> Iterator[None]:
        """Leaves no more than `free` bytes of the first device's memory to others."""
        kept = torch.empty(max(0, self.free() - free), dtype=torch.uint8, device=self.device)
        try:
            yield
        finally:
            del kept
            self.free()

    def free(self) -> int:
        """Bytes that are free on the first device when this process has tidied up; 0 on a CPU."""
        gc.collect()
        if self.device.type != "cpu":
            module_of(self.device).empty_cache()
        return free_memory(self.device) or 0


def call(name: str) -> dict[str, Any]:
    """The call of a model in the suite: a few steps."""
    if name not in BUILT_IN:
        return call_of(name, STEPS)
    preset = find_preset(name)
    return preset.call | {"prompt": preset.prompts[0], "num_inference_steps": STEPS}


def latents(pool: Pool, plan: Plan, called: dict[str, Any]) -> list[torch.Tensor]:
    """Every output's latent, in order: core 0's comes last."""
    stop = StopRule(index=plan.hits[-1].index)
    sampled = pool.sample(plan, called, SEED, stop, again=True)
    return [as_tensor(output.latent) for output in sampled.outputs]


def stock_bits(pipe: Any, called: dict[str, Any], cores: int) -> torch.Tensor:
    """Stock diffusers' latent, computed with as many threads as one of `cores` cores has."""
    with threads_of(cores):
        return stock_latent(pipe, called, SEED).cpu()
