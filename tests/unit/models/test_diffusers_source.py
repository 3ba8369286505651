"""What is read from the source of diffusers is what its classes say when they are imported."""

import inspect
import subprocess
import sys
from typing import Any

import diffusers
import pytest

from chords_cli.errors import UsageError
from chords_cli.models import diffusers_source as source
from chords_cli.models.diffusers_source import read_pipeline, read_scheduler

PIPELINES = (
    "CogVideoXPipeline",
    "FluxPipeline",
    "FluxControlPipeline",
    "HunyuanVideoPipeline",
    "LattePipeline",
    "LTX2Pipeline",
    "QwenImagePipeline",
    "StableCascadeCombinedPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionXLPipeline",
    "WanPipeline",
)
SCHEDULERS = (
    "DDIMScheduler",
    "EulerAncestralDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "HeunDiscreteScheduler",
    "UniPCMultistepScheduler",
)

DIFFUSERS = f"diffusers {diffusers.__version__}"
WRITE = "write a class of diffusers, as in `scheduler: {class: EulerDiscreteScheduler}`"


def parameters(method: Any) -> dict[str, bool]:
    given = inspect.signature(method).parameters.values()
    plain = [one for one in given if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return {one.name: one.default is one.empty for one in plain if one.name != "self"}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_read_as_it_is(name: str) -> None:
    read, cls = read_pipeline(name), getattr(diffusers, name)
    assert read is not None
    optional = cls._optional_components
    assert read.arguments == parameters(cls.__call__)
    assert read.components == {
        part: must and part not in optional for part, must in parameters(cls.__init__).items()
    }
    called = inspect.unwrap(cls.__call__).__code__.co_names
    for word in ("step", "deepcopy", "interrupt"):
        assert (word in read.named) == (word in called)


def test_the_classes_of_components_are_read_without_what_may_stand_beside_them() -> None:
    wan, animate = read_pipeline("WanPipeline"), read_pipeline("AnimateDiffPipeline")
    assert wan is not None
    assert animate is not None
    assert wan.types["transformer"] == {"WanTransformer3DModel"}
    assert animate.types["unet"] == {"UNet2DConditionModel", "UNetMotionModel"}


def test_what_a_pipeline_inherits_is_read_too() -> None:
    read = read_pipeline("AltDiffusionPipeline")
    assert read is not None
    assert {"prompt", "num_inference_steps"} < read.arguments.keys()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_is_read_as_it_is(name: str) -> None:
    read, cls = read_scheduler(name), getattr(diffusers, name)
    assert read is not None
    given = inspect.signature(cls.__init__).parameters
    defaults = {setting: given[setting].default for setting in parameters(cls.__init__)}
    assert (read.settings, read.order) == (defaults, cls.order)


@pytest.mark.parametrize(
    ("read", "name", "message", "hint"),
    [
        (
            read_pipeline,
            "FluxxPipeline",
            f"pipeline FluxxPipeline is not a pipeline of {DIFFUSERS}",
            "did you mean FluxPipeline? write the class name as in the model's model_index.json, "
            "or upgrade diffusers",
        ),
        (
            read_scheduler,
            "EulerDiscretScheduler",
            f"scheduler EulerDiscretScheduler is not a scheduler of {DIFFUSERS}",
            f"did you mean EulerDiscreteScheduler? {WRITE}",
        ),
        (
            read_scheduler,
            "FluxPipeline",
            f"scheduler FluxPipeline is not a scheduler of {DIFFUSERS}",
            WRITE,
        ),
    ],
)
def test_a_class_that_diffusers_has_not_is_refused(
    read: Any, name: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read(name)
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_nothing_is_told_where_there_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    remembering = (source.find_class, read_pipeline, read_scheduler)
    monkeypatch.setattr(source, "source_files", lambda part: ())
    for reader in remembering:
        reader.cache_clear()
    assert read_pipeline("FluxPipeline") is None
    assert read_scheduler("DDIMScheduler") is None
    for reader in remembering:
        reader.cache_clear()


def test_reading_imports_nothing_of_diffusers() -> None:
    code = (
        "import sys; from chords_cli.models.diffusers_source import read_pipeline; "
        "read_pipeline('FluxPipeline'); print({'torch', 'diffusers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
