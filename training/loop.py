"""A seeded, resumable training loop with averaged weights; it knows nothing about what is trained.

Callers draw the data of a step from a generator seeded by (seed, step), so a resumed run sees what
an uninterrupted one would have seen. A run can be ended at any time: start it again with `steps` a
little above where it stands, and the learning rate decays from there.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

log = logging.getLogger("training")

CHECKPOINT = "checkpoint.pt"
Losses = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """How long to train, and how the learning rate moves: up, level, down.

    Attributes:
        steps: the step to end at.
        warmup: steps over which the learning rate rises from zero.
        decay: last steps, over which it falls back to zero.
        ends: time to end at, if that comes before the last step, by `time.monotonic`.
        fall: seconds before `ends` over which the rate falls back to zero.
    """

    steps: int
    warmup: int = 100
    decay: int = 0
    ends: float | None = None
    fall: float = 1.0

    @classmethod
    def lasting(cls, seconds: float, *, steps: int) -> "Schedule":
        """End after `seconds`, of falling rate in the last 40 %, or after `steps`."""
        return cls(steps=steps, ends=time.monotonic() + seconds, fall=0.4 * seconds)

    def over(self, step: int) -> bool:
        """Whether `step` is not taken any more."""
        return step >= self.steps or (self.ends is not None and time.monotonic() >= self.ends)

    def factor(self, step: int) -> float:
        """The part of the full learning rate that `step` uses, 0 to 1."""
        rise = min(1.0, (step + 1) / self.warmup)
        fall = min(1.0, (self.steps - step) / self.decay) if self.decay else 1.0
        if self.ends is not None:
            fall = min(fall, max(0.0, self.ends - time.monotonic()) / self.fall)
        return rise * fall

    def decaying(self, step: int) -> bool:
        """Whether the learning rate falls already."""
        late = self.ends is not None and time.monotonic() >= self.ends - self.fall
        return late or step >= self.steps - self.decay


@dataclass(frozen=True, kw_only=True, slots=True)
class Every:
    """How often the loop talks (`log`), saves (`save`) and draws (`sample`), in steps."""

    log: int = 50
    save: int = 250
    sample: int = 1000


class Loop:
    """One model in training, with its optimizers, its averaged copy and its folder."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: list[torch.optim.Optimizer],
        folder: Path,
        *,
        ema: float = 0.999,
        clip: float = 1.0,
    ) -> None:
        self.model = model
        self.optimizers = optimizers
        self.folder = folder
        self.clip = clip
        self.step = 0
        self.average = AveragedModel(model, multi_avg_fn=_moving_average(ema))
        self._rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def averaged(self) -> nn.Module:
        """The averaged weights, as a model of the same class."""
        return self.average.module

    def run(
        self,
        losses_at: Callable[[int], Losses],
        schedule: Schedule,
        *,
        every: Every | None = None,
        sample: Callable[[int], None] | None = None,
    ) -> None:
        """Train until the schedule is over.

        Args:
            losses_at: gives named losses for a step; they are added up.
            schedule: where to end, and the learning rate on the way.
            every: how often to log, save and sample.
            sample: draws something to look at.
        """
        every = every or Every()
        meter = _Meter()
        while not schedule.over(self.step):
            meter.add(self._train_step(losses_at, schedule))
            if self.step % every.log == 0:
                log.info("step %6d  %s", self.step, meter.report())
            if self.step % every.save == 0:
                self.save()
            if sample and self.step % every.sample == 0:
                sample(self.step)
        if self.step % every.save:
            self.save()
        if sample and self.step % every.sample:
            sample(self.step)

    def save(self) -> None:
        """Write the whole state beside the last checkpoint, then put it in its place."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        torch.save(state, self._checkpoint.with_suffix(".part"))
        self._checkpoint.with_suffix(".part").replace(self._checkpoint)

    def _train_step(self, losses_at: Callable[[int], Losses], schedule: Schedule) -> Losses:
        self._set_rates(schedule.factor(self.step))
        losses = losses_at(self.step)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.model)
        self.step += 1
        return losses

    def _set_rates(self, factor: float) -> None:
        groups = (group for optimizer in self.optimizers for group in optimizer.param_groups)
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"] = rate * factor

    @property
    def _checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def _resume(self) -> None:
        if not self._checkpoint.exists():
            return
        state: dict[str, Any] = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        log.info("resumed %s at step %d", self.folder.name, self.step)


def averaged_weights(folder: Path, *, last: bool = False) -> dict[str, Tensor]:
    """The state of the averaged model in a folder's checkpoint, or of the model itself."""
    state = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
    if last:
        return state["model"]
    names = (name for name in state["average"] if name.startswith("module."))
    return {name.removeprefix("module."): state["average"][name] for name in names}


class _Meter:
    """Means of the losses and of the time since the last report."""

    def __init__(self) -> None:
        self._reset()

    def add(self, losses: Losses) -> None:
        self._count += 1
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + loss.detach()

    def report(self) -> str:
        means = "  ".join(
            f"{name} {float(total) / self._count:.5f}" for name, total in self._sums.items()
        )
        text = f"{means}  {(time.monotonic() - self._since) / self._count:.3f} s/step"
        self._reset()
        return text

    def _reset(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._count, self._since = 0, time.monotonic()


def _moving_average(
    decay: float,
) -> Callable[[Iterable[Tensor], Iterable[Tensor], Tensor | int], None]:
    """An exponential average that follows closely at first: early checkpoints are usable too."""

    @torch.no_grad()
    def update(averaged: Any, current: Any, count: Tensor | int) -> None:
        weight = 1.0 - min(decay, (1.0 + float(count)) / (10.0 + float(count)))
        torch._foreach_lerp_(averaged, current, weight)

    return update
