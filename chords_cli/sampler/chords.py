"""A core of the paper's algorithm: torch only."""

from torch import Tensor

from chords_cli.sampler.core import Link, Measure, Move, Solver, previewed, rms, widened
from chords_cli.sampler.plan import Plan


class ChordsCore:
    """A core of Algorithm 1 (arXiv 2507.15260).

    It keeps an anchor (b, x_b, v_b), at first its start. When the slower core stands at b too,
    with latent x'_b and drift v'_b, and this core has just evaluated at step t:

        x_{t+1} = fine(x_t, v_t) - jump(x_b, v_b: b -> t+1) + jump(x'_b, v'_b: b -> t+1)

    The slower core sends the last term. The anchor then moves to t + 1.
    """

    def __init__(self, plan: Plan, core: int, solver: Solver, link: Link) -> None:
        self._plan, self._core, self._solver, self._link = plan, core, solver, link
        self._incoming, self._outgoing = plan.incoming(core), plan.outgoing(core)
        self._round = 0
        self._anchor: tuple[int, Tensor, Tensor] | None = None
        self._anchor_step = plan.walks[core][core]

    def prepare(self) -> None:
        """Needs no factors: the solver takes all of its jumps."""

    def advance(self, latent: Tensor, drift: Tensor) -> Move:
        round, step = self._round, self._plan.walks[self._core][self._round]
        stop = self._plan.reached(self._core, round)
        self._round += 1
        if message := self._outgoing.get(round):
            self._link.send(round, self._jump(latent, drift, step, message.stop))
        if step == self._anchor_step:
            self._anchor = (step, latent, drift)
        preview = previewed(self._plan, self._core, round, self._solver, latent, drift)
        jumped, rectified = stop > step + 1, round in self._incoming
        if jumped:
            moved = self._solver.jump(latent, drift, step, stop)
        else:
            moved = self._solver.fine(latent, drift, step)
        correction = None
        if rectified:
            moved, correction = self._rectify(moved, round, stop)
        self._solver.settle(stop, jumped=jumped, rectified=rectified)
        return Move(moved, preview, correction)

    def _rectify(self, moved: Tensor, round: int, stop: int) -> tuple[Tensor, Measure]:
        assert self._anchor is not None, "a plan rectifies no core before it has been at its anchor"
        step, latent, drift = self._anchor
        own = self._jump(latent, drift, step, stop)
        alone = moved.to(own.dtype)
        rectified = (alone - own).add_(self._link.receive(round, like=own))
        self._anchor, self._anchor_step = None, stop
        return rectified.to(moved.dtype), lambda: rms(rectified - alone)

    def _jump(self, latent: Tensor, drift: Tensor, start: int, stop: int) -> Tensor:
        """Takes a jump whose difference to another one is used: in float32 at least."""
        return self._solver.jump(widened(latent), widened(drift), start, stop)
