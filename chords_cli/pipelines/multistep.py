"""The factors of a multistep scheduler's own path.

UniPC, DPM++ and their like are linear in the latent and in the samples predicted at the last few
steps. What the model is handed follows

    x_{i+1} = keep_i x_i + sum_d pulls_i[d] q_{i-d}

and that holds with correctors, too, whose corrected latents nobody outside sees: the earlier
predictions make up for them. The factors are found by one run of the stock scheduler. Its batch is
of impulses: sample j has q = 1 at every step i with i mod _PERIOD = j and 0 at all others, and one
more starts at 1 and has no predictions. As long as the memory is shorter than the period, what each
sample is beyond keep_i times itself is one factor. Random samples beside them tell whether all of
that is true.
"""

import math
from collections.abc import Sequence

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from chords_cli.errors import UsageError
from chords_cli.pipelines.load.spec import Arguments
from chords_cli.sampler.fills import LinearGrid

_PERIOD = 6
"""More predictions than any scheduler of diffusers remembers: UniPC of order 3 uses four."""

_NOTHING = 1e-5
"""A factor below is rounding: some schedulers compute in float32."""

_CHECKS = 3
"""Samples with random latents and predictions, far outside of [-1, 1]."""


def empty_history(scheduler: SchedulerMixin) -> None:
    """Makes a multistep scheduler forget what it was told; others remember nothing."""
    if not hasattr(scheduler, "model_outputs"):
        return
    scheduler.model_outputs = [None] * len(scheduler.model_outputs)
    scheduler.lower_order_nums = 0
    if hasattr(scheduler, "timestep_list"):
        scheduler.timestep_list = [None] * len(scheduler.timestep_list)
    if hasattr(scheduler, "last_sample"):
        scheduler.last_sample = None


def multistep_grid(
    scheduler: SchedulerMixin,
    timesteps: Tensor,
    clock: Sequence[float],
    arguments: Arguments,
    first: int = 0,
) -> LinearGrid | None:
    """Finds the factors of every fine step.

    Args:
        scheduler: A stock scheduler with an empty history and its grid on the host; it is used up.
        timesteps: The T timesteps of the loop, on the host.
        clock: Where predictions are interpolated, one number for each of them.
        arguments: What the pipeline hands to `step` beside the three tensors.
        first: The grid step with which the loop begins.

    Returns:
        None where this is not the scheduler's path: a step uses its own prediction alone, or it
        remembers noise instead of samples (DEIS), in which corrections would grow.

    Raises:
        UsageError: The steps are not linear in latents and predictions, or not finite.
    """
    latents, keep, pulls, ends = _start(), [], [], []
    latent, drift = torch.eye(2, dtype=torch.float64).reshape(2, 2, 1, 1, 1)
    for step, timestep in enumerate(timesteps):
        scheduler._step_index = first + step
        ends.append(tuple(scheduler.convert_model_output(drift, sample=latent).flatten().tolist()))
        end_keep, end_pull = ends[-1]
        if end_pull == 0:
            return None
        wanted = _wanted(step)
        drifts = (wanted - end_keep * latents) / end_pull
        made = scheduler.step(drifts, timestep, latents, return_dict=False, **arguments)[0]
        kept = float(made[_PERIOD] / latents[_PERIOD])
        if kept > 1 + _NOTHING:
            return None
        beyond = made - kept * latents
        pull = [float(beyond[(step - d) % _PERIOD]) for d in range(min(step + 1, _PERIOD))]
        keep.append(kept)
        while len(pull) > 1 and abs(pull[-1]) < _NOTHING * max(1.0, *map(abs, pull)):
            pull.pop()
        pulls.append(tuple(pull))
        _check(scheduler, step, pulls[-1], kept, latents, made)
        latents = made
    if all(len(pull) == 1 for pull in pulls):
        return None
    end_keeps, end_pulls = zip(*ends, strict=True)
    return LinearGrid(tuple(keep), tuple(pulls), end_keeps, end_pulls, tuple(clock))


def _start() -> Tensor:
    """Returns the latents at the first step: of impulses, of no predictions, of checks."""
    latents = torch.zeros(_PERIOD + 1 + _CHECKS, 1, 1, 1, dtype=torch.float64)
    latents[_PERIOD] = 1.0
    latents[_PERIOD + 1 :] = _random(-1)
    return latents


def _wanted(step: int) -> Tensor:
    """Returns the samples that are to be predicted at `step`."""
    wanted = torch.zeros(_PERIOD + 1 + _CHECKS, 1, 1, 1, dtype=torch.float64)
    wanted[step % _PERIOD] = 1.0
    wanted[_PERIOD + 1 :] = _random(step)
    return wanted


def _random(step: int) -> Tensor:
    """Returns the samples of checks at `step`, the same ones whenever they are asked for."""
    seeded = torch.Generator().manual_seed(step + 1)
    return 20 * torch.randn(_CHECKS, 1, 1, 1, dtype=torch.float64, generator=seeded)


def _check(
    scheduler: SchedulerMixin,
    step: int,
    pull: tuple[float, ...],
    kept: float,
    latents: Tensor,
    made: Tensor,
) -> None:
    """Refuses a step that is not what its factors say."""
    name, here, there = type(scheduler).__name__, latents[_PERIOD + 1 :], made[_PERIOD + 1 :]
    if not all(map(math.isfinite, (kept, *pull))):
        raise UsageError(
            f"step {step} of {name} multiplies latents by {kept:g} and predictions by {pull[0]:g}",
            "check prediction_type and the betas in the scheduler of the preset",
        )
    expected = kept * here + sum(f * _random(step - d) for d, f in enumerate(pull))
    size = max(1.0, float(there.abs().max()), float(here.abs().max()))
    worst = int((there - expected).abs().argmax())
    if not torch.allclose(there, expected, rtol=0, atol=1e-4 * size):
        raise UsageError(
            f"{name} takes no linear steps: step {step} makes {float(there[worst]):g} where its "
            f"factors say {float(expected[worst]):g}, as clipping does",
            "use {algo}, or turn clip_sample and thresholding off in the preset",
            {"algo": "chords"},
        )
