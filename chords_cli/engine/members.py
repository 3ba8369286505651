"""The members of a core that runs on several devices: one leads, the others help.

The lead is the core: it alone does the arithmetic of the algorithm, exchanges latents with other
cores, decodes and hears the pool. A helper lends its device: it computes its share of the model's
answers and takes the latent that the lead tells. `pipelines.split` says what a share is.
"""

from collections.abc import Iterable

from torch import Tensor

from chords_cli.engine.exchange.group import Group
from chords_cli.engine.watch.pulse import PoolPipe
from chords_cli.pipelines.chain import Driver
from chords_cli.pipelines.core_pipeline import CorePipeline
from chords_cli.pipelines.solver import StockSolver


class Lead:
    """Drives a lead's pipeline as `driver` does, and tells the helpers of every step.

    It tells them of the step with which the core stops, too: no member may take one more.
    """

    def __init__(self, driver: Driver, group: Group, pipeline: CorePipeline) -> None:
        self._driver, self._group, self._pipeline = driver, group, pipeline

    @property
    def stopped(self) -> bool:
        return self._driver.stopped

    def begin(self, solver: StockSolver) -> None:
        self._driver.begin(solver)

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        self._pipeline.check_split()
        moved = self._driver.advance(latent, drift)
        self._group.tell(moved, stopped=self.stopped)
        return moved


class Helper:
    """Drives a helper's pipeline: its latent is moved by the lead.

    Args:
        group: The lines to the lead.
        pipe: To the pool.
        stops: The steps at which the core stands after its evaluations, one after the other.
    """

    def __init__(self, group: Group, pipe: PoolPipe, stops: Iterable[int]) -> None:
        self._group, self._pipe, self._stops = group, pipe, iter(stops)
        self._solver: StockSolver | None = None
        self.stopped = False

    def begin(self, solver: StockSolver) -> None:
        """Notes that steps begin; the lead alone solves."""
        self._solver = solver
        self._pipe.turn("taking a step")

    def advance(self, latent: Tensor, drift: Tensor) -> Tensor:
        self._pipe.turn()
        moved, self.stopped = self._group.follow(latent)
        assert self._solver is not None, "a loop begins before it takes a step"
        # the pipeline may ask where it stands, as inpainting does for the noise of the known parts
        self._solver.settle(next(self._stops), jumped=False, rectified=False)
        return moved
