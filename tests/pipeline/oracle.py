"""The oracle driven by a real pipeline: its drift, its grid, its scheduler's own steps.

A pipeline is asked for one drift at a time: it is called with the latent as its initial noise and
a walk of one step, and what it hands to `scheduler.step` is the drift.
"""

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from chords_cli.pipelines.chain import Chain, following
from chords_cli.pipelines.solver import StockSolver
from chords_cli.sampler import Output, Plan, simulate


def stock_latent(pipe: DiffusionPipeline, call: dict[str, Any], seed: int) -> Tensor:
    """What stock diffusers computes."""
    noise = torch.Generator("cpu").manual_seed(seed)
    return pipe(**call, generator=noise, output_type="latent", return_dict=False)[0]


def stock_picture(
    pipe: DiffusionPipeline, call: dict[str, Any], seed: int
) -> tuple[Tensor, np.ndarray]:
    """What the last step of stock diffusers returns, and the frames that become of it."""
    seen: list[Tensor] = []
    step = pipe.scheduler.step

    @functools.wraps(step)
    def watched(*args: Any, **kwargs: Any) -> Any:
        moved = step(*args, **kwargs)
        seen.append(moved[0])
        return moved

    noise = torch.Generator("cpu").manual_seed(seed)
    with patch.object(pipe.scheduler, "step", watched):
        made = pipe(**call, generator=noise, output_type="pil", return_dict=False)[0]
    frames = made[0] if isinstance(made[0], list) else made
    return seen[-1], np.stack([np.asarray(frame) for frame in frames])


def pipeline_outputs(
    pipe: DiffusionPipeline, call: dict[str, Any], seed: int, plan: Plan
) -> list[Output]:
    """All outputs of `plan`, simulated in this process with the pipeline's own drift."""
    return Oracle(pipe, call, seed, plan.steps).outputs(plan)


class Oracle:
    """Simulates plans with the drift of one pipeline call, and asks for no drift twice.

    `steps` is the length of the loop, for calls whose strength makes it shorter than their grid.
    It knows its drifts where the pipeline was when it was made, and for as many threads as there
    were: both may change bits.
    """

    def __init__(
        self, pipe: DiffusionPipeline, call: dict[str, Any], seed: int, steps: int | None = None
    ) -> None:
        self._pipe, self._call, self._seed = pipe, call, seed
        self._steps = call["num_inference_steps"] if steps is None else steps
        self._beginning = _Beginning(pipe)
        self._arguments: dict[int, dict[str, Any]] = {}
        self._solvers: list[StockSolver] = []
        walk = (0, 1) if self._steps > 1 else (0,)
        (self._noise, first), (second, _) = (self._evaluate(walk, None) * 2)[:2]
        self._carried = second.dtype
        self._drifts = {(0, _content(self._noise)): (self._noise, first)}

    def outputs(self, plan: Plan) -> list[Output]:
        """All outputs of `plan`."""
        return simulate(
            plan,
            self._drift,
            self._noise,
            [0.0] * (plan.steps + 1),  # the scheduler knows its own
            solver=lambda core: self._solver(),
            carry=lambda latent: latent.to(self._carried),
        )

    def _drift(self, latent: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Walks the pipeline to `step`: over step 0, where it hands out the latent.

        Returns the latent as the loop has it there, and its drift: some put known parts back after
        a step.
        """
        asked = step, _content(latent)
        if asked not in self._drifts:
            assert step > 0, "every core begins with the same noise"
            self._drifts[asked] = self._evaluate((0, step), latent)[-1]
        return self._drifts[asked]

    def _solver(self) -> StockSolver:
        """The solver of one core: the pipeline's scheduler with its grid and an empty history."""
        solver = StockSolver(copy.deepcopy(self._pipe.scheduler))
        solver.grid, solver.first = self._grid, self._first
        solver.settle(0, jumped=True, rectified=False)  # forgets what was asked of it before
        self._solvers.append(solver)
        self._tell(self._arguments)
        return solver

    def _tell(self, arguments: Mapping[int, dict[str, Any]]) -> None:
        """Tells all solvers what the pipeline hands to its scheduler at some steps."""
        self._arguments |= arguments
        for solver in self._solvers:
            for step, given in arguments.items():
                solver.note(step, given)

    def _evaluate(
        self, walk: tuple[int, ...], latent: Tensor | None
    ) -> list[tuple[Tensor, Tensor]]:
        """The latents and drifts of `walk`; after step 0 `latent`, if given, is handed out."""
        driver = _Witness(walk, latent)
        chain = Chain(self._pipe, walk, self._steps, driver)
        with following(self._pipe, chain), self._beginning.remembered(lambda: not driver.seen):
            noise = torch.Generator("cpu").manual_seed(self._seed)
            self._pipe(**self._call, generator=noise, output_type="latent")
        self._grid, self._first = driver.solver.grid, driver.solver.first
        self._tell(chain.solver.noted)
        return driver.seen


class EveryStep(Oracle):
    """The same from loops of stock diffusers that take every step, so that each counts as its own.

    Nothing shortens such a loop; up to the step of a drift, its scheduler answers with the latent.
    """

    def _drift(self, latent: Tensor, step: int) -> tuple[Tensor, Tensor]:
        found: list[Tensor] = []

        def answer(drift: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
            found.append(drift)
            return (latent,)

        if step > 0:
            with patch.object(self._pipe.scheduler, "step", answer):
                self._pipe(**self._call, output_type="latent")
            return latent, found[step]
        return super()._drift(latent, step)


class _Witness:
    """A driver that keeps what it sees; it moves to `answer`, or by the scheduler's own steps."""

    stopped = False

    def __init__(self, walk: tuple[int, ...], answer: Tensor | None) -> None:
        self._walk, self._answer = walk, answer
        self.seen: list[tuple[Tensor, Tensor]] = []

    def begin(self, solver: StockSolver) -> None:
        self.solver = solver

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        step, later = self._walk[len(self.seen)], self._walk[len(self.seen) + 1 :]
        self.seen.append((latent, drift))
        if self._answer is None:
            return self.solver.fine(latent, drift, step)
        # a loop that changes latents asks the scheduler how far the step went
        self.solver.settle(later[0] if later else step + 1, jumped=True, rectified=True)
        return self._answer


class _Beginning:
    """What a pipeline's models return up to its first drift: the same in every call.

    Text and pictures are encoded there, and a drift evaluated that nobody needs again.
    """

    def __init__(self, pipe: DiffusionPipeline) -> None:
        models = [part for part in pipe.components.values() if isinstance(part, nn.Module)]
        self._asked = [
            (part, name) for part in models for name in ("forward", "encode") if hasattr(part, name)
        ]
        self._answers: list[Any] = []

    @contextmanager
    def remembered(self, lasts: Callable[[], bool]) -> Iterator[None]:
        """Lets models answer for as long as it `lasts` as they did when they were first asked."""
        number = iter(range(len(self._answers))) if self._answers else None

        def answering(forward: Callable[..., Any]) -> Callable[..., Any]:
            def answer(*args: Any, **kwargs: Any) -> Any:
                if not lasts():
                    return forward(*args, **kwargs)
                if number is not None:
                    return copy.deepcopy(self._answers[next(number)])
                self._answers.append(forward(*args, **kwargs))
                return copy.deepcopy(self._answers[-1])

            return answer

        with ExitStack() as patches:
            for model, name in self._asked:
                patches.enter_context(patch.object(model, name, answering(getattr(model, name))))
            yield


def _content(latent: Tensor) -> bytes:
    return latent.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
