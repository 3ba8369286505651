"""Real workers on two labelled devices: exchange, staging, previews, pictures, offload, LoRA."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chords_cli.engine import processes
from chords_cli.engine.pool import Pool, PoolSettings, Sampled, SampledOutput
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.presets.files import find_preset
from chords_cli.sampler import Plan, chords_plan, default_init_t, default_rounds, wavefront_plan
from chords_cli.sampler.stop import StopRule
from tests.doubles.labelled_workers import LabelledWorker
from tests.doubles.loras import tiny_lora
from tests.pipeline.conftest import BUILDERS, call_of
from tests.waiting import HANG

pytestmark = pytest.mark.broad

STEPS, SEED = 6, 7
BUILT_IN = ("demo-image", "demo-video")
LABELLED = ("cuda:0", "cuda:1")

Spec = Callable[[str, str], ModelSpec]
Call = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """One sample: everything that reaches the pool, and the picture of every output."""

    sampled: Sampled
    frames: dict[int, np.ndarray]

    @property
    def outputs(self) -> list[tuple[Any, ...]]:
        """What outputs are but for their times."""
        return [
            (output.index, output.core, output.round, output.residual, output.latent)
            for output in self.sampled.outputs
        ]

    @property
    def device_memory(self) -> list[int | None]:
        """Per core what it took of its device; None on the host."""
        return [device for device, _ in self.sampled.peak_memory]


@dataclass(frozen=True)
class Labelled:
    """Where the workers of this test leave notes, and how they are started."""

    patch: pytest.MonkeyPatch
    notes: Path

    def start(self, **settings: Any) -> None:
        """From here on workers begin on labelled devices."""
        worker = LabelledWorker(notes=self.notes, **settings)
        self.patch.setattr(processes, "worker_process", worker)

    def devices(self, core: int) -> set[str]:
        return set((self.notes / f"core-{core}.devices").read_text().splitlines())

    def waits(self, core: int) -> list[str]:
        return (self.notes / f"core-{core}.waits").read_text().splitlines()


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Labelled:
    return Labelled(monkeypatch, tmp_path)


def plans(cores: int) -> Iterator[Plan]:
    """Of both algorithms; the wavefront's extrapolates beyond what is known."""
    rounds = 4 if cores == 2 else default_rounds(STEPS, cores)
    yield chords_plan(STEPS, default_init_t(STEPS, cores))
    yield wavefront_plan(STEPS, cores, rounds)


def make(pool: Pool, plan: Plan, call: Call, **options: Any) -> Made:
    frames: dict[int, np.ndarray] = {}

    def keep(output: SampledOutput) -> None:
        assert output.frames is not None
        frames[output.index] = output.frames

    sampled = pool.sample(plan, call, SEED, StopRule(), keep=True, on_output=keep, **options)
    return Made(sampled, frames)


def pool_on(devices: tuple[str, ...], model: ModelSpec, members: int = 1) -> Pool:
    decoders = frozenset(range(len(devices) // members))
    settings = PoolSettings(
        model=model, devices=devices, decoders=decoders, timeout=HANG, members=members
    )
    return Pool(settings, lambda event: None)


def make_all(
    devices: tuple[str, ...], model: ModelSpec, call: Call, members: int = 1
) -> list[Made]:
    with pool_on(devices, model, members) as pool:
        return [make(pool, plan, call) for plan in plans(len(devices) // members)]


_on_the_host: dict[str, list[Made]] = {}


def on_the_host(model: ModelSpec, call: Call, cores: int = 2) -> list[Made]:
    """What cores on the host make, of each model once."""
    asked = repr((model, call, cores))
    if asked not in _on_the_host:
        _on_the_host[asked] = make_all(("cpu",) * cores, model, call)
    return _on_the_host[asked]


def check_equal(made: list[Made], expected: list[Made]) -> None:
    """Latents and residuals of all outputs, the preview's too, and all pictures, bit for bit."""
    for one, other in zip(made, expected, strict=True):
        assert None not in one.device_memory, "a worker ran without labels"
        assert one.outputs == other.outputs
        assert sorted(one.frames) == sorted(other.frames) == [row[0] for row in one.outputs]
        for index, frames in other.frames.items():
            assert np.array_equal(one.frames[index], frames), index


@pytest.mark.parametrize("family", BUILDERS)
def test_every_family_makes_the_outputs_and_pictures_of_the_host(
    family: str, spec: Spec, labelled: Labelled
) -> None:
    model, call = spec(family, "float32"), call_of(family, STEPS)
    expected = on_the_host(model, call)
    labelled.start()
    check_equal(make_all(LABELLED, model, call), expected)


@pytest.mark.parametrize("family", ["wan", "sd3", "z-image"])
def test_cores_whose_guidance_is_split_make_the_outputs_and_pictures_of_the_host(
    family: str, spec: Spec, labelled: Labelled
) -> None:
    model, call = spec(family, "float32"), call_of(family, STEPS)
    expected = make_all(("cpu",) * 4, model, call, members=2)
    labelled.start()
    check_equal(make_all(LABELLED * 2, model, call, members=2), expected)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_model_makes_the_outputs_and_pictures_of_the_host(
    name: str, labelled: Labelled
) -> None:
    preset = find_preset(name)
    model = ModelSpec(folder=str(preset.path), pipeline=preset.pipeline, dtype="float32")
    call = preset.call | {"prompt": preset.prompts[0], "num_inference_steps": STEPS}
    expected = on_the_host(model, call)
    labelled.start()
    check_equal(make_all(LABELLED, model, call), expected)


def test_half_precision_crosses_devices_as_it_crosses_the_host(
    spec: Spec, labelled: Labelled
) -> None:
    model, call = spec("flux", "bfloat16"), call_of("flux", STEPS)
    expected = on_the_host(model, call)
    labelled.start()
    check_equal(make_all(LABELLED, model, call), expected)


def test_four_cores_share_two_devices_and_stop_early(spec: Spec, labelled: Labelled) -> None:
    model, call = spec("flux", "float32"), call_of("flux", STEPS)
    expected = on_the_host(model, call, cores=4)
    labelled.start()
    with pool_on(LABELLED * 2, model) as pool:
        made = []
        for plan in plans(4):
            stop = StopRule(criterion="residual", residual=1e9)
            assert pool.sample(plan, call, SEED + 1, stop).chosen in (1, 2)
            made.append(make(pool, plan, call))
    check_equal(made, expected)


def make_encoded_again(devices: tuple[str, ...], model: ModelSpec) -> list[Made]:
    """Three samples, each with its text encoded."""
    call, plan = call_of("flux", STEPS), wavefront_plan(STEPS, 2, 4)
    with pool_on(devices, model) as pool:
        other = call | {"prompt": "a dog"}
        return [make(pool, plan, one, again=True) for one in (call, other, call)]


@pytest.fixture(scope="module")
def encoded_again(spec: Spec) -> list[Made]:
    """What is made on the host, where text encoders have nowhere to go."""
    return make_encoded_again(("cpu", "cpu"), spec("flux", "float32"))


@pytest.mark.parametrize(
    ("policy", "free"), [("never", 0), ("always", 8 << 30), ("auto", 0), ("auto", 8 << 30)]
)
def test_text_encoders_that_leave_the_device_come_back_for_the_next_prompt(
    policy: str, free: int, spec: Spec, encoded_again: list[Made], labelled: Labelled
) -> None:
    parts = {name: {"offload": policy} for name in ("text_encoder", "text_encoder_2")}
    labelled.start(free=free)
    made = make_encoded_again(LABELLED, replace(spec("flux", "float32"), components=parts))
    check_equal(made, encoded_again)
    left = policy == "always" or (policy == "auto" and free == 0)
    moved = [
        place for place in labelled.waits(0) if "chords_cli/pipelines/load/offload.py" in place
    ]
    assert bool(moved) is left


def test_a_lora_makes_the_outputs_and_pictures_of_the_host(
    spec: Spec, labelled: Labelled, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain, call = spec("flux", "float32"), call_of("flux", STEPS)
    styled = replace(plain, loras=((str(tiny_lora(tmp_path_factory.mktemp("lora"))), 0.7),))
    expected, unstyled = on_the_host(styled, call), on_the_host(plain, call)
    labelled.start()
    made = make_all(LABELLED, styled, call)
    check_equal(made, expected)
    assert made[0].outputs != unstyled[0].outputs


def test_a_core_touches_no_device_but_its_own(spec: Spec, labelled: Labelled) -> None:
    """A library's thread begins on the first device, whatever this core's is."""
    labelled.start()
    make_all(("cuda:1", "cuda:1"), spec("flux", "float32"), call_of("flux", STEPS))
    for core in range(2):
        assert labelled.devices(core) & {"cuda:0", "cuda:1"} == {"cuda:1"}


ROUND = (
    "chords_cli/sampler/",
    "chords_cli/engine/exchange/",
    "chords_cli/engine/exchange/staging.py",
)
"""Where a round's own work is."""


@pytest.mark.parametrize("family", ["flux", "wan", "cogvideo"])
def test_a_round_never_has_the_loop_wait_for_its_device(
    family: str, spec: Spec, labelled: Labelled
) -> None:
    """Threads of the staging wait; the loop waits where diffusers does, and where a sample ends."""
    labelled.start()
    make_all(("cuda:0", "cuda:1", "cuda:0"), spec(family, "float32"), call_of(family, STEPS))
    for core in range(3):
        waits = labelled.waits(core)
        assert any(" in chords-report" in wait for wait in waits)
        in_loop = [wait for wait in waits if " in chords-" not in wait]
        assert [wait for wait in in_loop if any(place in wait for place in ROUND)] == []
        if family == "flux":  # whose scheduler never waits: only the begin of a sample may
            solver = [wait for wait in in_loop if "pipelines/solver.py" in wait]
            assert all(wait.startswith("cpu at chords_cli") for wait in solver)
            assert len(solver) < 2 * STEPS  # of two samples, in more rounds than that
