"""The wavefront: its plans, and its arithmetic against a plain one with all drifts in a table."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from chords_cli.cli.options import as_option
from chords_cli.errors import PlanError
from chords_cli.sampler import Plan, simulate, wavefront_plan
from chords_cli.sampler.core import Move, trusted
from chords_cli.sampler.fills import LinearGrid, fills, stretches
from chords_cli.sampler.wavefront_core import WavefrontCore
from tests.doubles.problems import Drift, linear_drift, noise, shifted_sigmas, stiff_drift


@st.composite
def fronts(draw: st.DrawFn) -> tuple[int, int, int]:
    """Valid (steps, cores, rounds)."""
    steps = draw(st.integers(1, 40))
    return steps, draw(st.integers(1, min(10, steps))), draw(st.integers(1, steps))


def sequential(drift: Drift, latent: Tensor, sigmas: list[float]) -> Tensor:
    for step, (sigma, after) in enumerate(pairwise(sigmas)):
        latent = latent + (after - sigma) * drift(latent, step)
    return latent


def table_wavefront(drift: Drift, latent: Tensor, sigmas: list[float], plan: Plan) -> list[Tensor]:
    """Every core's arrival, core 0 first, written without messages or factors.

    Every core sees the slower core's latents and predictions and keeps all of its own; the fine
    steps that it skips are taken one by one, with what is filled in for them.
    """
    steps, arrived = plan.steps, []
    weak = plan.guidance <= 2
    line = [(sigma - sigmas[-1]) ** 2 if weak else sigma for sigma in sigmas]
    slower_latents: dict[int, Tensor] = {}
    slower_ends: dict[int, Tensor] = {}
    for core, walk in enumerate(plan.walks):
        latents, ends, here = {}, {}, latent
        drifts: dict[int, Tensor] = {}
        for round, step in enumerate(walk):
            stop = walk[round + 1] if round + 1 < len(walk) else steps
            drifts[step] = drift(here, step)
            ends[step] = here + (sigmas[-1] - sigmas[step]) * drifts[step]
            if core == 0 and plan.cores > 1:
                here = here + (sigmas[stop] - sigmas[step]) * drifts[step]
            elif core == 0:
                last_two = {s: v for s, v in drifts.items() if s in walk[max(0, round - 1) :]}
                for i in range(step, stop):
                    here = here + (sigmas[i + 1] - sigmas[i]) * extrapolated(last_two, i, sigmas)
            else:
                slower = plan.walks[core - 1]
                at = slower[round]
                base = slower[round + 1] if round + 1 < len(slower) else steps
                known = {s: q for s, q in ends.items() if s > at} | {at: slower_ends[at]}
                known[step] = ends[step]
                slope = followed_slope({s: ends[s] for s in walk[: round + 1][-3:]}, line, plan)
                here = slower_latents[base]
                for i in range(base, stop):
                    part = (sigmas[i + 1] - sigmas[i]) / (sigmas[-1] - sigmas[i])
                    end = held(known, i, sigmas) + min(0, line[i] - line[step]) * slope
                    here = here + part * (end - here)
            latents[stop] = here
        slower_latents, slower_ends = latents, ends
        arrived.append(here)
    return arrived


def curved_grid(steps: int, curve: float) -> LinearGrid:
    """A variance-preserving grid: quarter turns from noise to sample."""
    angles = [math.pi / 2 * (1 - (step / steps) ** (1 + curve)) for step in range(steps + 1)]
    turns = [before - after for before, after in pairwise(angles)]
    return LinearGrid.first_order(
        keep=tuple(math.cos(turn) for turn in turns),
        pull=tuple(-math.sin(turn) for turn in turns),
        end_keep=tuple(math.cos(angle) for angle in angles[:-1]),
        end_pull=tuple(-math.sin(angle) for angle in angles[:-1]),
        clock=tuple(angles[:-1]),
    )


def held(known: dict[int, Tensor], step: int, sigmas: list[float]) -> Tensor:
    """What is known at `step`: linear in sigma between two known steps, the last one beyond."""
    if step >= max(known):
        return known[max(known)]
    low, high = max(s for s in known if s <= step), min(s for s in known if s > step)
    part = (sigmas[step] - sigmas[low]) / (sigmas[high] - sigmas[low])
    return known[low] + part * (known[high] - known[low])


def followed_slope(ends: dict[int, Tensor], line: list[float], plan: Plan) -> Tensor:
    """How the prediction changes along the line, as far as that is followed.

    By the share that was right before; a row of a latent is a sample, and has its own. Under weak
    guidance by the root of it, and wholly by two cores or where nothing is known of before.
    """
    weak = plan.guidance <= 2
    if len(ends) < (2 if weak else 3):
        return torch.zeros_like(next(iter(ends.values())))
    *first, second, last = ends
    happened = ends[last] - ends[second]
    slope = happened / (line[last] - line[second])
    if weak and (plan.cores == 2 or not first):
        return slope
    before = (ends[second] - ends[first[0]]) / (line[second] - line[first[0]])
    foretold = before * (line[last] - line[second])
    shares = [
        float(torch.dot(a, b) / torch.dot(a, a)) if a.any() else 0.0
        for a, b in zip(foretold, happened, strict=True)
    ]
    share = torch.tensor([[min(1.0, max(0.0, one))] for one in shares], dtype=happened.dtype)
    return (share.sqrt() if weak else share) * slope


def extrapolated(known: dict[int, Tensor], step: int, sigmas: list[float]) -> Tensor:
    """The line through the last two drifts, in sigma, at `step`."""
    low, high = min(known), max(known)
    if low == high:
        return known[low]
    part = (sigmas[step] - sigmas[low]) / (sigmas[high] - sigmas[low])
    return known[low] + part * (known[high] - known[low])


@given(fronts())
def test_plan_lets_the_fastest_core_arrive_in_time_and_core_zero_take_every_step(
    front: tuple[int, int, int],
) -> None:
    steps, cores, rounds = front
    plan = wavefront_plan(steps, cores, rounds)
    assert len(plan.walks[-1]) == rounds
    if cores > 1:
        assert plan.walks[0] == tuple(range(steps))
    for walk in plan.walks:
        assert walk[0] == 0
        assert all(before < after for before, after in pairwise(walk))
    for slower, faster in pairwise(plan.walks):
        assert all(a <= b for a, b in zip(slower, faster, strict=False))


@given(fronts())
def test_every_core_hears_from_its_neighbour_once_in_every_round(
    front: tuple[int, int, int],
) -> None:
    plan = wavefront_plan(*front)
    for core in range(1, plan.cores):
        assert sorted(plan.incoming(core)) == list(range(len(plan.walks[core])))


@given(fronts(), st.sampled_from([1.0, 4.0]), st.integers(0, 1000))
def test_oracle_agrees_with_a_table_of_all_drifts(
    front: tuple[int, int, int], guidance: float, seed: int
) -> None:
    plan, sigmas = wavefront_plan(*front, guidance), shifted_sigmas(front[0])
    drift, latent = stiff_drift(sigmas), noise(seed=seed)
    outputs = simulate(plan, drift, latent, sigmas)
    expected = table_wavefront(drift, latent, sigmas, plan)
    assert [output.core for output in outputs[1:]] == list(range(plan.cores - 1, -1, -1))
    for output in outputs[1:]:
        torch.testing.assert_close(output.latent, expected[output.core], rtol=1e-8, atol=1e-8)


@given(fronts())
def test_core_zero_of_several_is_the_sequential_sampler_bit_for_bit(
    front: tuple[int, int, int],
) -> None:
    steps, cores, rounds = front
    assume(cores > 1)
    plan, sigmas = wavefront_plan(steps, cores, rounds), shifted_sigmas(steps)
    drift, latent = stiff_drift(sigmas), noise()
    made = simulate(plan, drift, latent, sigmas)[-1].latent
    assert torch.equal(made, sequential(drift, latent, sigmas))


@pytest.mark.parametrize("cores", [2, 4])
def test_only_a_core_that_was_corrected_tells_by_how_much(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, advance = set(), WavefrontCore.advance

    def hearing(self: WavefrontCore, latent: Tensor, drift: Tensor) -> Move:
        move = advance(self, latent, drift)
        told.add((self._core, move.correction is not None))
        return move

    monkeypatch.setattr(WavefrontCore, "advance", hearing)
    sigmas = shifted_sigmas(20)
    simulate(wavefront_plan(20, cores, 10), stiff_drift(sigmas), noise(), sigmas)
    assert told == {(core, core > 0) for core in range(cores)}


@pytest.mark.parametrize("cores", [2, 3, 4, 8])
@pytest.mark.parametrize("rounds", [9, 12, 15, 25])
def test_a_core_remembers_few_latents(
    cores: int, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 50 steps; latents of videos are large, and every core keeps its own."""
    kept, advance = [], WavefrontCore.advance

    def counting(self: WavefrontCore, latent: Tensor, drift: Tensor) -> Move:
        move = advance(self, latent, drift)
        kept.append(len(self._known))
        return move

    monkeypatch.setattr(WavefrontCore, "advance", counting)
    sigmas = shifted_sigmas(50)
    simulate(wavefront_plan(50, cores, rounds), stiff_drift(sigmas), noise(), sigmas)
    assert max(kept) <= 20


@given(fronts())
def test_as_many_rounds_as_steps_give_the_sequential_result_on_every_core(
    front: tuple[int, int, int],
) -> None:
    steps, cores, _ = front
    plan, sigmas = wavefront_plan(steps, cores, steps), shifted_sigmas(steps)
    drift, latent = stiff_drift(sigmas), noise()
    expected = sequential(drift, latent, sigmas)
    for output in simulate(plan, drift, latent, sigmas)[1:]:
        torch.testing.assert_close(output.latent, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=40)  # each is computed once for every output
@given(fronts())
def test_outputs_up_to_an_index_do_not_depend_on_what_is_cut_off(
    front: tuple[int, int, int],
) -> None:
    plan, sigmas = wavefront_plan(*front), shifted_sigmas(front[0])
    drift, latent = stiff_drift(sigmas), noise()
    full = simulate(plan, drift, latent, sigmas)
    for index in range(plan.cores + 1):
        cut = simulate(plan.until(index), drift, latent, sigmas)
        assert all(torch.equal(a.latent, b.latent) for a, b in zip(cut, full, strict=False))
        assert len(cut) == index + 1


def test_one_core_converges_with_second_order() -> None:
    """On dx/dsigma = x the error against the exact fine path falls with the square of rounds."""
    steps = 2048
    sigmas = [1 - step / steps for step in range(steps + 1)]
    latent = torch.ones(1, dtype=torch.float64)
    fine = sequential(linear_drift(1.0), latent, sigmas)
    rounds = [32, 64, 128, 256]
    errors = [
        abs(
            float(
                simulate(wavefront_plan(steps, 1, n), linear_drift(1.0), latent, sigmas)[1].latent
                - fine
            )
        )
        for n in rounds
    ]
    x = [math.log(n) for n in rounds]
    y = [math.log(error) for error in errors]
    middle = sum(x) / len(x)
    slope = sum((a - middle) * b for a, b in zip(x, y, strict=True)) / sum(
        (a - middle) ** 2 for a in x
    )
    assert slope == pytest.approx(-2, abs=0.25)


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
def test_error_falls_as_rounds_are_added(cores: int) -> None:
    sigmas = shifted_sigmas(48)
    drift, latent = stiff_drift(sigmas), noise(16, 8)
    exact = sequential(drift, latent, sigmas)
    errors = [
        float(
            (simulate(wavefront_plan(48, cores, n), drift, latent, sigmas)[1].latent - exact).norm()
        )
        for n in (8, 12, 16, 24, 32, 48)
    ]
    assert all(later <= 1.05 * earlier for earlier, later in pairwise(errors))
    assert errors[-1] < 1e-10


@given(fronts(), st.floats(0.05, 3.0))
def test_fills_reproduce_a_variance_preserving_grid_exactly(
    front: tuple[int, int, int], curve: float
) -> None:
    """With a constant prediction a fill is a composition of fine steps."""
    steps, cores, rounds = front
    grid, plan = curved_grid(steps, curve), wavefront_plan(steps, cores, rounds)

    def fine(value: float, start: int, stop: int) -> float:
        for step in range(start, stop):
            value = grid.keep[step] * value + grid.pulls[step][0] * 0.7
        return value

    for core in range(1, plan.cores):
        for round, fill in enumerate(fills(plan, core, grid)):
            base, stop = plan.reached(core - 1, round), plan.reached(core, round)
            known = sum(fill.own.known.values()) + sum(fill.slower.known.values())
            moved = fill.carry * 0.3 + 0.7 * known
            assert moved == pytest.approx(fine(0.3, base, stop), abs=1e-9)


@given(fronts(), st.floats(0.05, 3.0))
def test_fills_follow_predictions_on_a_straight_line_beyond_the_last_step(
    front: tuple[int, int, int], curve: float
) -> None:
    """Where predictions are linear in the clock a fill is a composition of fine steps, too."""
    steps, cores, rounds = front
    grid, plan = curved_grid(steps, curve), wavefront_plan(steps, cores, rounds, guidance=4.0)

    def fine(value: float, start: int, stop: int) -> float:
        for step in range(start, stop):
            value = grid.keep[step] * value + grid.pulls[step][0] * grid.clock[step]
        return value

    for core in range(1, plan.cores):
        straight = stretches(plan, core, grid)
        for round, fill in enumerate(fills(plan, core, grid)):
            if round < 2:
                continue
            first, second, last = (grid.clock[step] for step in plan.walks[core][round - 2 :][:3])
            assert straight[round] * (second - first) == pytest.approx(last - second, abs=1e-9)
            sums = [*fill.own.known.items(), *fill.slower.known.items()]
            known = sum(factor * grid.clock[step] for step, factor in sums)
            moved = fill.carry * 0.3 + known + fill.own.beyond * (last - second)
            base = plan.reached(core - 1, round)
            assert moved == pytest.approx(fine(0.3, base, plan.reached(core, round)), abs=1e-9)


@given(fronts(), st.floats(0.05, 3.0))
def test_under_weak_guidance_predictions_change_as_those_of_a_straight_drift_do(
    front: tuple[int, int, int], curve: float
) -> None:
    """By dv a prediction changes by end_pull dv, and the drift v by as much as the clock."""
    steps, cores, rounds = front
    grid, plan = curved_grid(steps, curve), wavefront_plan(steps, cores, rounds)

    def changed(start: int, stop: int) -> float:
        between = pairwise(range(start, stop + 1))
        return sum(
            (grid.end_pull[a] + grid.end_pull[b]) / 2 * (grid.clock[b] - grid.clock[a])
            for a, b in between
        )

    for core in range(1, plan.cores):
        for round, fill in enumerate(fills(plan, core, grid)):
            visited = plan.walks[core][: round + 1][-2:]
            moved = 0.0
            for step in range(plan.reached(core - 1, round), plan.reached(core, round)):
                beyond = changed(visited[-1], step) if step > visited[-1] else 0.0
                moved = grid.keep[step] * moved + grid.pulls[step][0] * beyond
            if len(visited) == 1:
                assert fill.own.beyond == 0.0
            else:
                assert fill.own.beyond * changed(*visited) == pytest.approx(moved, abs=1e-9)


def test_an_extrapolation_is_trusted_as_far_as_it_was_right() -> None:
    foretold = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    happened = torch.tensor([[2.0, 0.0], [1.0, 5.0], [-3.0, 0.0], [9.0, 1.0], [1.0, 1.0]])
    shares = trusted(happened, foretold)
    assert shares.flatten().tolist() == [1.0, 0.5, 0.0, 1.0, 0.0]
    assert trusted(happened[:, :, None], foretold[:, :, None]).shape == (5, 1, 1)


@pytest.mark.parametrize(
    ("front", "message", "hint"),
    [
        ((0, 1, 1), "steps is 0, but a grid has at least 1 step", "try --steps 50"),
        ((50, 0, 9), "cores is 0, but a run has at least 1 core", "try --cores 4"),
        (
            (4, 5, 2),
            "cores is 5, but 4 steps allow at most 4 cores",
            "use --cores 4 or fewer, or more --steps",
        ),
        ((50, 4, 0), "rounds is 0, but 50 steps take from 1 to 50 rounds", "try --rounds 11"),
        ((50, 8, 51), "rounds is 51, but 50 steps take from 1 to 50 rounds", "try --rounds 10"),
    ],
)
def test_plan_refuses_what_is_out_of_range(
    front: tuple[int, int, int], message: str, hint: str
) -> None:
    with pytest.raises(PlanError) as caught:
        wavefront_plan(*front)
    assert caught.value.spelled(as_option) == (message, hint)
