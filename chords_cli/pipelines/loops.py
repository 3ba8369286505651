"""Which loops cores can share: one that takes every step of its grid, and no step twice.

As with the other rules (`pipelines.rules`), names are enough, and they are asked twice.
"""

from collections.abc import Collection, Mapping
from typing import Any

from chords_cli.errors import UsageError

_REMEMBERING = (
    "SemanticStableDiffusionPipeline",
    "StableDiffusionAttendAndExcitePipeline",
    "StableDiffusionGLIGENPipeline",
    "StableDiffusionGLIGENTextImagePipeline",
    "StableDiffusionPipelineSafe",
)
"""Pipelines whose drifts depend on what they did in certain steps before."""

_SECTIONED = (
    "Cosmos2_5_TransferPipeline",
    "HeliosPipeline",
    "HunyuanVideoFramepackPipeline",
    "LTXI2VLongMultiPromptPipeline",
    "WanAnimatePipeline",
)
"""Pipelines that make a video in sections, each in a loop of its own."""

_NOISY = ("CosmosVideoToWorldPipeline", "UniDiffuserPipeline")
"""Pipelines that draw noise in their loop, whatever their call."""

_LEAVE_OUT = {
    "denoising_end": "the end",
    "denoising_start": "the beginning",
}
"""Arguments that make a loop shorter than its grid, each with what it leaves out."""

_DRAWS, _WRITES = "draws noise in every step", "has a language model write the prompt"
_PASTES = "pastes what it makes into the picture, and hands out no latent"
_TURNED_OFF: Mapping[str, tuple[str, str | None, str]] = {
    "image_cond_noise_scale": ("0", None, _DRAWS),
    "caption_upsample_temperature": ("null", None, _WRITES),
    "padding_mask_crop": ("null", None, _PASTES),
    "enable_prompt_rewrite": ("false", None, _WRITES),
    "prompt_upsampling": ("false", None, _WRITES),
    "use_pe": ("false", "pe", _WRITES),
}
"""Arguments that have to be off: how that is written, the component without which they do nothing,
and what they do. Cores that leave out steps would draw other noise; a prompt is written by chance
that no seed decides, with a text encoder that only core 0 has."""


def check_loop_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuses the arguments of a call whose loop would take other steps than its plan.

    Args:
        arguments: Of the pipeline's call, with the number of steps.

    Raises:
        UsageError: One leaves steps out, or lists another number of them.
    """
    for name, part in _LEAVE_OUT.items():
        value = arguments.get(name)
        if isinstance(value, int | float) and 0 <= value < 1:
            raise UsageError(
                f"{name} is {value:g}, which leaves out {part} of the loop, but a plan takes every "
                "step",
                f"remove {name} from the preset's call",
            )
    steps = arguments.get("num_inference_steps")
    for name, further in (("timesteps", 0), ("sigmas", 1)):  # sigmas may name the last one too
        listed = arguments.get(name)
        if isinstance(listed, list | tuple) and steps and not 0 <= len(listed) - steps <= further:
            raise UsageError(
                f"{name} lists {len(listed)} steps, but the plan has {steps}",
                f"use {{steps}}, or remove {name} from the preset's call",
                {"steps": len(listed)},
            )


def check_turned_off(name: str, arguments: Mapping[str, Any], components: Collection[str]) -> None:
    """Refuses a call that draws noise in its loop, or writes a prompt instead of the user's.

    Args:
        name: The pipeline's class.
        arguments: Of its call, with their defaults.
        components: The components that the model has.

    Raises:
        UsageError: An argument is not off that has to be.
    """
    for argument, (off, by, what) in _TURNED_OFF.items():
        value = arguments.get(argument)
        if value and (by is None or by in components):
            raise UsageError(
                f"{argument} is {value}: {name} {what}, which cores cannot share",
                f"write `{argument}: {off}` in the preset's call",
            )


def check_loop(
    name: str, *, named: Collection[str], arguments: Collection[str], components: Collection[str]
) -> None:
    """Refuses pipelines whose call is not one loop that moves one latent.

    Args:
        name: The pipeline's class.
        named: Every name in the body of its call.
        arguments: The arguments of its call.
        components: The components that it is made of.

    Raises:
        UsageError: It takes no prompt or number of steps, has no denoising loop, or several, moves
            several latents, draws noise, or needs every step for the next one's drift.
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
    elif "enumerate" not in named:
        reason = "has a loop that does not number its steps"
    elif name in _SECTIONED:
        reason = "makes its video in sections, each in a loop of its own"
    elif name in _NOISY:
        reason = f"{_DRAWS}, which cores cannot share"
    elif name == "GlmImagePipeline":
        reason = "samples what its picture is made from with a language model, before its loop"
    elif name in _REMEMBERING:
        reason = "computes a step by what it did in those before, which faster cores leave out"
    else:
        return
    raise UsageError(
        f"{name} {reason}",
        "chords needs one prompt, one loop and one latent; run this pipeline with diffusers alone",
    )
