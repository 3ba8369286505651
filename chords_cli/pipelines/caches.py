"""Diffusers' step caches on a loaded pipeline: parts of one step's evaluation serve the next ones.

What is used again and when is diffusers' own. Here a cache is switched on, forgets one sample
before the next, and the work that it left to do is measured.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

import diffusers.hooks
import torch
from diffusers import DiffusionPipeline
from torch import nn

from chords_cli.errors import UsageError
from chords_cli.pipelines.load.spec import CACHES, DENOISERS, TIMED_CACHES, Arguments
from chords_cli.pipelines.said import Tell


class StepCache:
    """The cache of a pipeline's denoisers.

    Args:
        pipe: The pipeline.
        cache: `{name, args}`, one of `CACHES` and its parameters.
        tell: Takes what a calibration finds.

    Attributes:
        cache: As it was given.

    Raises:
        UsageError: The denoisers cannot be cached like that.
    """

    def __init__(self, pipe: DiffusionPipeline, cache: Arguments, tell: Tell) -> None:
        self.cache, self._tell = cache, tell
        self._pipe, self._name, self._args = pipe, cache["name"], cache["args"]
        parts = (getattr(pipe, name, None) for name in DENOISERS)
        self._denoisers: list[Any] = [part for part in parts if part is not None]
        for part in self._denoisers:
            self._enable(part)
        self._meter = _Meter(self._denoisers)

    def remove(self) -> None:
        """Makes the pipeline stock again."""
        for part in self._denoisers:
            part.disable_cache()
        self._meter.remove()

    @contextlib.contextmanager
    def sample(self) -> Iterator[None]:
        """Makes one sample inside the block; nothing is left of the one before.

        At the end of a calibration diffusers prints the ratios.
        """
        for part in self._denoisers:
            part._reset_stateful_cache()
        self._meter.calls.clear()
        if not self._args.get("calibrate"):
            yield
            return
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            yield
        lines = [line for line in printed.getvalue().splitlines() if re.match(r"\[\d", line)]
        if lines:  # not of a sample that was cut short
            self._tell(f"mag_ratios of {type(self._pipe).__name__} in this run: {lines[0]}")

    def evaluated(self, steps: int) -> float:
        """Returns how many evaluations of the model the latest sample of so many steps took.

        A step of which half the work was done counts as half of one.
        """
        return round(self._meter.share() * steps, 1)

    def _enable(self, part: Any) -> None:
        name = type(part).__name__
        try:
            part.enable_cache(self._make_config())
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise UsageError(
                f"cache {self._name} is not possible for {name}: "
                f"{' '.join(str(error).split())[:300]}",
                "name another cache, or leave it out",
            ) from error
        registries = (getattr(module, "_diffusers_hook", None) for module in part.modules())
        if not any(registry.hooks for registry in registries if registry is not None):
            raise UsageError(
                f"cache {self._name} finds nothing to cache in {name}",
                "say what with its parameters, name another cache, or leave it out",
            )

    def _make_config(self) -> Any:
        """Makes the configuration; YAML has neither dtypes nor tuples, nor functions."""
        given = dict(self._args)
        for key, value in given.items():
            if key.endswith("_dtype") and isinstance(value, str):
                given[key] = getattr(torch, value, value)
            if key.endswith("_range") and isinstance(value, list):
                given[key] = tuple(value)
        if self._name in TIMED_CACHES:
            given["current_timestep_callback"] = lambda: self._pipe.current_timestep
        return getattr(diffusers.hooks, CACHES[self._name])(**given)


class _Meter:
    """Measures how much of a complete evaluation every call of the denoisers was.

    By the work of their linear layers; the largest call of a sample is a complete one.

    Attributes:
        calls: The work of each call of the current sample.
    """

    def __init__(self, denoisers: list[Any]) -> None:
        self.calls: list[int] = []

        def begin(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self.calls.append(0)

        def count(module: nn.Linear, inputs: tuple[torch.Tensor, ...]) -> None:
            if self.calls and inputs:
                self.calls[-1] += inputs[0].numel() * module.out_features

        layers = [layer for part in denoisers for layer in part.modules()]
        self._handles = [part.register_forward_pre_hook(begin) for part in denoisers]
        self._handles += [
            layer.register_forward_pre_hook(count)
            for layer in layers
            if isinstance(layer, nn.Linear)
        ]

    def remove(self) -> None:
        """Measures no more."""
        for handle in self._handles:
            handle.remove()

    def share(self) -> float:
        """Returns the mean share of a complete evaluation."""
        worked = [call for call in self.calls if call]  # another member of the core did the rest
        return sum(worked) / (max(worked) * len(worked)) if worked else 0.0
