"""What several cores can share: which schedulers, which steps, which pipelines.

The rules need names and settings alone and no library, so that they can be asked before anything is
loaded as well as after.
"""

from collections.abc import Collection, Mapping
from typing import Any

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

_REPLACEMENTS = {
    "CogVideoXDPMScheduler": "CogVideoXDDIMScheduler",
    "DDPMScheduler": "DDIMScheduler",
    "FlowMatchHeunDiscreteScheduler": "FlowMatchEulerDiscreteScheduler",
    "FlowMatchLCMScheduler": "FlowMatchEulerDiscreteScheduler",
}
"""The deterministic first-order scheduler of the same grid; Euler for all others."""


def check_shareable(name: str, *, order: int, config: Mapping[str, Any]) -> None:
    """Refuses a scheduler whose steps several cores cannot share.

    Args:
        name: Its class in diffusers.
        order: How often it calls the model a step.
        config: Its settings; what is not there is as the class has it.

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


def check_step_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuses the options of a single step that make it stochastic."""
    for name in ("eta", "s_churn"):
        if arguments.get(name):
            raise UsageError(
                f"{name} is {arguments[name]}, which draws fresh noise in every step",
                f"remove {name} from the preset's call",
            )


def check_loop(
    name: str, *, named: Collection[str], arguments: Collection[str], components: Collection[str]
) -> None:
    """Refuses pipelines whose call is not one loop that moves one latent.

    Args:
        name: The pipeline's class.
        named: What the body of its call names.
        arguments: What its call takes.
        components: What it is made of.

    Raises:
        UsageError: It takes no prompt or number of steps, has no denoising loop, or moves several
            latents.
    """
    further = [part for part in components if part.endswith("_scheduler")]
    if "deepcopy" in named:
        reason = "moves several latents a step, each by its own copy of the scheduler"
    elif further:
        reason = f"has further schedulers ({', '.join(further)})"
    elif "step" not in named:
        reason = "has no denoising loop of its own"
    elif "prompt" not in arguments:
        reason = "takes no prompt"
    elif "num_inference_steps" not in arguments:
        reason = "takes no number of steps"
    else:
        return
    raise UsageError(
        f"{name} {reason}",
        "chords needs one prompt, one loop and one latent; run this pipeline with diffusers alone",
    )


def _noise_setting(config: Mapping[str, Any]) -> str | None:
    """The setting that makes every step draw noise; None without one."""
    if config.get("stochastic_sampling"):
        return "stochastic_sampling"
    kind = str(config.get("algorithm_type", ""))
    return f"algorithm_type {kind}" if kind.startswith("sde") else None
