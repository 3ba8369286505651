"""Gives a model another sampler than its own: the multistep schedulers that take most models.

A counterpart keeps what belongs to the model, its grid and what it predicts, and changes only the
way of taking steps. It is known from the scheduler's settings and diffusers' source alone, so that
a model without one is refused before it is loaded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chords_cli.errors import UsageError
from chords_cli.models.diffusers_source import PipelineClass, SchedulerClass, read_scheduler
from chords_cli.models.schedulers import find_scheduler, lacking_noise
from chords_cli.pipelines.load.spec import Index
from chords_cli.pipelines.rules import SIGMA_INDEXED
from chords_cli.presets.parts import Scheduler
from chords_cli.presets.schema import Preset


@dataclass(frozen=True, slots=True)
class Sampler:
    """A way of taking steps; `settings` are those of its class that make it what its title says."""

    title: str
    cls: str
    settings: Mapping[str, Any]


SAMPLERS: Mapping[str, Sampler] = {
    "dpm++2m": Sampler(
        "DPM++ 2M",
        "DPMSolverMultistepScheduler",
        {"solver_order": 2, "algorithm_type": "dpmsolver++", "solver_type": "midpoint"},
    ),
    "unipc": Sampler(
        "UniPC",
        "UniPCMultistepScheduler",
        {"solver_order": 2, "predict_x0": True, "solver_type": "bh2", "disable_corrector": []},
    ),
}
"""By the name that an arm of a comparison calls it."""

_FLOWS = ("FlowMatchEulerDiscreteScheduler",)
_COUNTERPARTS = (*SIGMA_INDEXED, "DDIMScheduler")
"""Schedulers whose grid the samplers can follow."""

_OWN_SIGMAS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
_KEPT = (
    *("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas"),
    *("prediction_type", "timestep_spacing", "steps_offset", "rescale_betas_zero_snr"),
    *("final_sigmas_type", "thresholding", "sigma_min", "sigma_max", "shift_terminal"),
    *("use_dynamic_shifting", "time_shift_type", *_OWN_SIGMAS),
)
"""Settings of a model's scheduler that belong to the model, or to its grid."""

_IN_THE_WAY = {
    "invert_sigmas": True,
    "clip_sample": True,
    "timestep_type": "continuous",
    "interpolation_type": "log_linear",
}
"""Settings without a counterpart in any sampler."""


class NoCounterpartError(UsageError):
    """Says that a model's scheduler has no counterpart in another sampler."""


def with_sampler(
    preset: Preset, folder: Path | None, index: Index, pipeline: PipelineClass | None, name: str
) -> Preset:
    """Returns the preset with a sampler; the preset itself if that is its own.

    Args:
        preset: The model.
        folder: Its folder; None while it is not on this machine, which then tells less.
        index: Its model_index.json; empty while that is not on this machine.
        pipeline: What its pipeline is, as far as that is known.
        name: One of `SAMPLERS`.

    Raises:
        NoCounterpartError: The model's scheduler has no counterpart in that sampler.
    """
    sampler, target = SAMPLERS[name], read_scheduler(SAMPLERS[name].cls)
    found = find_scheduler(preset, folder, index)
    own, settings = (found[0], found[2]) if found else ("", {})
    first_order = preset.scheduler is not None and preset.scheduler.first_order
    same = all(settings.get(key) == value for key, value in sampler.settings.items())
    if own == sampler.cls and same and not first_order:
        return preset
    flow = own in _FLOWS or bool(settings.get("use_flow_sigmas"))
    if own and target is not None:
        for reason in _obstacles(own, settings, target, pipeline, flow=flow):
            raise NoCounterpartError(
                f"{own} of {preset.name} has no counterpart in {sampler.title}: {reason}",
                "leave the arm out; few-steps has the model's own scheduler",
            )
    given = preset.scheduler
    scheduler = {
        "class": sampler.cls,
        "from_config": given is None or given.from_config,
        "args": {**dict(_kept(settings, target, flow=flow)), **sampler.settings},
    }
    return preset.model_copy(update={"scheduler": Scheduler.model_validate(scheduler)})


def _obstacles(
    own: str,
    settings: Mapping[str, Any],
    target: SchedulerClass,
    pipeline: PipelineClass | None,
    *,
    flow: bool,
) -> Iterator[str]:
    """Yields why the steps of a sampler cannot be taken on the grid of a scheduler."""
    if own not in _COUNTERPARTS:
        yield "its grid is its own"
    for key, value in _IN_THE_WAY.items():
        if settings.get(key) == value:
            yield f"{key} is {value}"
    for key in _KEPT:
        if settings.get(key) and (key not in target.settings or (flow and key in _OWN_SIGMAS)):
            yield f"{key} is {settings[key]}"
    if pipeline and (lacks := lacking_noise(pipeline, target)):
        yield lacks
    named = pipeline.named if pipeline else frozenset()
    if not flow or "sigmas" in target.grid:
        return
    if "linspace" in named and "use_flow_sigmas" not in named:
        yield f"{pipeline and pipeline.name} brings noise levels of its own"
    dynamic = settings.get("use_dynamic_shifting")
    if dynamic and settings.get("time_shift_type") not in (None, "exponential"):
        yield f"time_shift_type is {settings['time_shift_type']}"
    if settings and not dynamic and {"linspace", "calculate_shift"} <= named:
        yield f"{pipeline and pipeline.name} brings a shift that it does not take"


def _kept(
    settings: Mapping[str, Any], target: SchedulerClass | None, *, flow: bool
) -> Iterator[tuple[str, Any]]:
    """Yields the settings that follow from those of the model's own scheduler."""
    known = target.settings if target else {}
    for key in _KEPT:
        if key in known and settings.get(key) is not None:
            yield key, settings[key]
    if "set_alpha_to_one" in settings:  # where DDIM ends
        yield "final_sigmas_type", "zero" if settings["set_alpha_to_one"] else "sigma_min"
    if flow:
        yield "prediction_type", "flow_prediction"
        yield "use_flow_sigmas", True
        shift = settings.get("flow_shift", settings.get("shift"))
        yield from () if shift is None else (("flow_shift", shift),)
