"""What a preset may ask of diffusers, and what several cores can share.

The rules know names and settings and need no library. They are asked twice: of diffusers' source
before anything is loaded, and of its classes when a core loads the model, because the source is not
always there to read.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Literal

from chords_cli.errors import UsageError

SIGMA_INDEXED = (
    "FlowMatchEulerDiscreteScheduler",
    "EulerDiscreteScheduler",
    "UniPCMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DEISMultistepScheduler",
)
"""Schedulers whose step reads `sigmas[step_index]` and `sigmas[step_index + 1]`."""

DDIM_FAMILY = ("DDIMScheduler", "CogVideoXDDIMScheduler")
"""Schedulers whose step subtracts a stride from the timestep."""

_THRESHOLDING = (
    "DDIMScheduler",
    "UniPCMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DEISMultistepScheduler",
)
"""Schedulers that have a setting `thresholding` and use it."""

_REPLACEMENTS = {
    "CogVideoXDPMScheduler": "CogVideoXDDIMScheduler",
    "DDPMScheduler": "DDIMScheduler",
    "FlowMatchHeunDiscreteScheduler": "FlowMatchEulerDiscreteScheduler",
    "FlowMatchLCMScheduler": "FlowMatchEulerDiscreteScheduler",
}
"""The deterministic first-order scheduler of the same grid; Euler for all others."""

_CLASSES = {
    "pipeline": (
        0.8,
        "write the class name as in the model's model_index.json, or upgrade diffusers",
    ),
    "scheduler": (
        0.6,
        "write a class of diffusers, as in `scheduler: {class: EulerDiscreteScheduler}`",
    ),
}
"""How similar a class has to be to be proposed, and what to do, by kind."""


def check_shareable(name: str, *, order: int, config: Mapping[str, Any]) -> None:
    """Refuses a scheduler whose steps several cores cannot share.

    Args:
        name: Its class in diffusers.
        order: How many times it calls the model per step.
        config: Its settings; missing ones have the defaults of the class.

    Raises:
        UsageError: Its steps draw noise, take two model calls, or keep a state that does not
            survive a jump.
    """
    noise = _noise_setting(config)
    if name in SIGMA_INDEXED + DDIM_FAMILY and noise is None:
        return
    instead = _REPLACEMENTS.get(name, "EulerDiscreteScheduler")
    if name in SIGMA_INDEXED:
        reason, instead = f"{noise} draws fresh noise in every step", name
    elif order != 1:
        reason = f"it calls the model {order} times a step"
    else:
        reason = "its steps draw noise or keep a history that does not survive a jump"
    raise UsageError(
        f"{name} cannot be shared by cores: {reason}",
        f"set `scheduler: {{class: {instead}, from_config: true}}` in the preset, without noise",
    )


def check_grid(name: str, config: Mapping[str, Any], steps: int | None) -> None:
    """Refuses settings of a scheduler with which it makes nan.

    Args:
        name: Its class in diffusers.
        config: Its settings, with their defaults as far as these are known.
        steps: The number of steps of the grid; None where it is not the scheduler's own.

    Raises:
        UsageError: A step would divide by zero.
    """
    to_zero, terminal = config.get("final_sigmas_type") == "zero", config.get("shift_terminal")
    noise = config.get("predict_x0") is False
    bh1 = config.get("solver_type") == "bh1"
    if name == "UniPCMultistepScheduler" and to_zero and (bh1 or noise):
        setting = "predict_x0 false" if noise else "solver_type bh1"
        raise UsageError(
            f"{name} makes nan in its last step: {setting} cannot end at sigma 0",
            "add `solver_type: bh2` and `predict_x0: true`, or `final_sigmas_type: sigma_min`, to "
            "scheduler.args in the preset",
        )
    if to_zero and config.get("algorithm_type") == "dpmsolver":
        raise UsageError(
            f"{name} cannot end at sigma 0 with algorithm_type dpmsolver",
            "add `algorithm_type: dpmsolver++`, or `final_sigmas_type: sigma_min`, to "
            "scheduler.args in the preset",
        )
    if steps == 1 and terminal:
        raise UsageError(
            f"steps is 1, but {name} with shift_terminal {terminal:g} needs at least 2 steps",
            "try {steps}",
            {"steps": 2},
        )


def check_clipping(name: str, config: Mapping[str, Any]) -> None:
    """Refuses settings of a scheduler with which its steps are not linear.

    Args:
        name: Its class in diffusers.
        config: Its settings, with their defaults as far as these are known.

    Raises:
        UsageError: It clips what the model predicts.
    """
    noise = name == "UniPCMultistepScheduler" and config.get("predict_x0") is False
    settings = [name in _THRESHOLDING and not noise and "thresholding"]
    settings += [name == "DDIMScheduler" and "clip_sample"]
    clipping = [setting for setting in settings if setting and config.get(setting)]
    if clipping:
        raise UsageError(
            f"{' and '.join(clipping)} of {name} clips what the model predicts, but wavefront "
            "needs linear steps",
            f"use {{algo}}, or add `{'`, `'.join(f'{name}: false' for name in clipping)}` to "
            "scheduler.args in the preset",
            {"algo": "chords"},
        )


def check_step_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuses the options of a single step that make it stochastic."""
    for name in ("eta", "s_churn"):
        if arguments.get(name):
            raise UsageError(
                f"{name} is {arguments[name]}, which draws fresh noise in every step",
                f"remove {name} from the preset's call",
            )


def check_true_guidance(
    name: str, call: Mapping[str, Any], default: float, *, chosen: bool
) -> None:
    """Refuses a guidance and a negative prompt that do nothing without each other.

    Args:
        name: The pipeline's class, which guides only where it has both.
        call: The arguments of its call.
        default: The pipeline's own `true_cfg_scale`.
        chosen: Whether an option sets the call's.

    Raises:
        UsageError: The call has one of them alone.
    """
    scale, negative = call.get("true_cfg_scale"), call.get("negative_prompt")
    if scale is not None and scale > 1 and negative is None and (chosen or scale != default):
        raise UsageError(
            f"guidance is {scale:g}, but {name} guides only away from a negative prompt, and there "
            "is none",
            'give one with {negative_prompt}, or write `negative_prompt: ""` in the preset\'s call',
            {"negative_prompt": None},
        )
    if negative and scale is None and default <= 1:
        raise UsageError(
            f"the negative prompt does nothing: {name} needs true_cfg_scale for it",
            "write `true_cfg_scale: 4.0` in the preset's call, or leave the negative prompt out",
        )


def unknown_class(
    kind: Literal["pipeline", "scheduler"], name: str, version: str, known: Collection[str] = ()
) -> UsageError:
    """Returns the error for a class that diffusers does not have.

    Args:
        kind: What the class should be.
        name: The class.
        version: Of diffusers.
        known: The classes that diffusers has, as far as somebody has looked for them.
    """
    cutoff, way = _CLASSES[kind]
    return UsageError(
        f"{kind} {name} is not a {kind} of diffusers {version}",
        did_you_mean(name, known, cutoff) + way,
    )


def check_first_order(name: str, settings: Collection[str]) -> None:
    """Refuses `first_order` for a scheduler that has no order.

    Args:
        name: Its class in diffusers.
        settings: The settings that it takes.
    """
    if "solver_order" not in settings:
        raise UsageError(
            f"scheduler.first_order is true, but {name} has no order to lower",
            "remove first_order from the preset's scheduler",
        )


def check_components(
    section: str, names: Collection[str], pipeline: str, known: Collection[str]
) -> None:
    """Refuses names of components that a model does not have: they would change nothing.

    Args:
        section: The part of the preset that names them.
        names: The components.
        pipeline: The pipeline's class.
        known: The components that the model has.
    """
    for name in names:
        if name not in known:
            raise UsageError(
                f"{section} names {name}, which {pipeline} has not",
                f"{did_you_mean(name, known)}choose from {', '.join(known)}",
            )


def did_you_mean(name: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """Returns the beginning of a hint: which of the `known` names is meant; empty if none is near.

    Args:
        name: A name that may be misspelled.
        known: The names that exist.
        cutoff: How similar a name has to be, from 0 to 1.
    """
    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean {near[0]}? " if near else ""


def _noise_setting(config: Mapping[str, Any]) -> str | None:
    """Returns the setting that makes every step draw noise; None without one."""
    if config.get("stochastic_sampling"):
        return "stochastic_sampling"
    kind = str(config.get("algorithm_type", ""))
    return f"algorithm_type {kind}" if kind.startswith("sde") else None
