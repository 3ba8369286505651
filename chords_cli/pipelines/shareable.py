"""Which schedulers several cores can share: names and settings alone, so no library is needed."""

from collections.abc import Mapping
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


def _noise_setting(config: Mapping[str, Any]) -> str | None:
    """The setting that makes every step draw noise; None without one."""
    if config.get("stochastic_sampling"):
        return "stochastic_sampling"
    kind = str(config.get("algorithm_type", ""))
    return f"algorithm_type {kind}" if kind.startswith("sde") else None
