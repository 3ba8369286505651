"""Makes the recipe of a picture or a video: every setting that is needed to make it again.

`runs.settings.from_metadata` turns it back into a request.
"""

import functools
import platform
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast

import chords_cli
from chords_cli.engine.hosts.places import kind_of
from chords_cli.records.recipe import (
    SCHEMA,
    InputRecord,
    Lora,
    Output,
    Pixels,
    PresetKey,
    Recipe,
    StopRecord,
)
from chords_cli.runs.settings.options.option import options_of
from chords_cli.runs.settings.options.run_options import RunOptions
from chords_cli.runs.settings.samples import PlannedSample
from chords_cli.runs.settings.settings import Settings

if TYPE_CHECKING:
    from chords_cli.engine.pool import SampledOutput
    from chords_cli.sampler.choice import Algo

_PACKAGES = ("torch", "torchvision", "diffusers", "transformers")
"""With torchvision, processors of transformers scale pictures otherwise than with Pillow."""

_PIXELS = {name for name, (_, option) in options_of(RunOptions).items() if option.pixels} - {
    "loras"
}
"""The options that determine pixels or frame rate and are in the recipe unchanged."""


def pixels(settings: Settings) -> Pixels:
    """Returns the settings that determine the pixels and the frame rate.

    It always returns all of them, so that a setting that only one of two runs has is a difference.
    """
    return Pixels(
        **{name: getattr(settings, name) for name in _PIXELS},
        model=settings.preset.identity,
        loras=tuple(Lora(source=name, scale=scale) for name, scale in settings.loras) or None,
        algo=cast("Algo", settings.plan.algo),
        cores=settings.plan.cores,
        steps=settings.plan.steps,
        init_t=settings.plan.init_t or (),
        planned_rounds=settings.plan.planned_rounds,
        stop=stop_record(settings),
        device=kind_of(settings.devices[0]),
        inputs=input_records(settings) or None,
        call=settings.call,
    )


def input_records(settings: Settings) -> tuple[InputRecord, ...]:
    """Returns what is remembered of the files that a run starts from."""
    return tuple(
        InputRecord(role=one.role, name=one.path.name, sha256=one.medium.sha256)
        for one in settings.inputs
    )


def stop_record(settings: Settings) -> StopRecord:
    """Returns the stop rule with the value that its criterion uses."""
    stop = settings.stop
    if stop.fixed is None:
        return StopRecord(criterion="residual", residual=stop.residual)
    return StopRecord(criterion="core_index", index=stop.fixed)


def make_recipe(
    settings: Settings,
    sample: PlannedSample,
    output: Output,
    *,
    arm_set: Collection[PresetKey] = (),
) -> Recipe:
    """Returns the recipe that a file of that output of `sample` carries.

    Args:
        settings: The settings of its run.
        sample: What was made.
        output: Which output of its run it is.
        arm_set: The keys of the preset that an arm of a comparison set.
    """
    more: dict[str, Any] = {"arm_set": tuple(arm_set)} if arm_set else {}
    return Recipe(
        schema=SCHEMA,
        version=chords_cli.__version__,
        preset=settings.preset.name,
        **dict(pixels(settings)),
        prompt=sample.prompt,
        seed=sample.seed,
        output=output,
        environment=environment(),
        **more,
    )


def which_output(output: "SampledOutput") -> Output:
    """Returns the part of a recipe that says which output of its run this is."""
    made = dict(zip(("frames", "height", "width"), output.size or (), strict=False))
    return Output(
        index=output.index,
        core=output.core,
        round=output.round,
        residual=output.residual,
        **made,
    )


def environment() -> dict[str, str | None]:
    """Returns versions by the name of the package; None for one that is not installed."""
    return {
        "chords": chords_cli.__version__,
        **{name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


@functools.cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
