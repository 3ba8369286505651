"""The oracle against a second implementation of Algorithm 1, and against known solutions."""

import random
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from chords_cli.sampler import chords_plan, sequential_plan, simulate
from tests.doubles.problems import Drift, linear_drift, noise, shifted_sigmas, stiff_drift


def algorithm_1(
    steps: int, starts: tuple[int, ...], drift: Drift, latent: Tensor, sigmas: list[float]
) -> list[dict]:
    """The paper's Algorithm 1, written out: all cores, all rounds, no plan.

    `nfe` counts the evaluations of all cores so far, without those of the rounds in which a core
    still repeats what slower cores compute.
    """
    last = len(starts) - 1
    x = [latent for _ in starts]
    anchor_step = list(starts)
    anchor_x = [None for _ in starts]
    anchor_v = [None for _ in starts]
    arrivals, nfe = [], 0
    preview = None

    for r in range(steps + 1):
        # Every core that has not arrived evaluates once.
        position, v = {}, {}
        for k in range(last + 1):
            p = starts[r] if r <= k else starts[k] + r - k
            if p < steps:
                position[k] = p
                v[k] = drift(x[k], p)
                nfe += r >= k
                if p == anchor_step[k]:
                    anchor_x[k], anchor_v[k] = x[k], v[k]

        if r == last:
            rest = sigmas[steps] - sigmas[starts[last]]
            preview = {"core": last, "round": r + 1, "latent": x[last] + rest * v[last], "nfe": nfe}

        # Every core that evaluated moves, from what all of them had at the start of the round.
        moved = {}
        for k in sorted(position, reverse=True):
            t = position[k]
            to = starts[r + 1] if r < k else t + 1
            moved[k] = x[k] + (sigmas[to] - sigmas[t]) * v[k]
            if k > 0 and r >= k and position.get(k - 1) == anchor_step[k]:
                b = anchor_step[k]
                wide = sigmas[to] - sigmas[b]
                coarse = anchor_x[k] + wide * anchor_v[k]
                better = x[k - 1] + wide * v[k - 1]
                moved[k] = moved[k] - coarse + better
                anchor_step[k] = to
            if to == steps:
                arrivals.append({"core": k, "round": r + 1, "latent": moved[k], "nfe": nfe})
        for k in moved:
            x[k] = moved[k]
    return [preview, *arrivals]


def random_problems(number: int) -> list[tuple[int, tuple[int, ...]]]:
    chance = random.Random(20260101)
    problems = []
    for _ in range(number):
        steps = chance.randint(1, 60)
        cores = chance.randint(1, min(steps, 10))
        problems.append((steps, (0, *sorted(chance.sample(range(1, steps), cores - 1)))))
    return problems


def test_oracle_equals_algorithm_1_on_random_grids_and_starts():
    for number, (steps, starts) in enumerate(random_problems(200)):
        sigmas, start = shifted_sigmas(steps), noise(seed=number)
        plan = chords_plan(steps, starts)
        expected = algorithm_1(steps, starts, stiff_drift(sigmas), start, sigmas)
        outputs = simulate(plan, stiff_drift(sigmas), start, sigmas)
        assert [o.index for o in outputs] == list(range(len(expected)))
        for output, paper in zip(outputs, expected, strict=True):
            where = f"T={steps}, init_t={starts}, output {output.index}"
            assert (output.core, output.round) == (paper["core"], paper["round"]), where
            assert plan.nfe_total(output.index) == paper["nfe"], where
            torch.testing.assert_close(
                output.latent, paper["latent"], rtol=1e-9, atol=1e-9, msg=where
            )


def test_algorithm_1_itself_moves_every_output_so_the_comparison_means_something():
    sigmas = shifted_sigmas(50)
    outputs = algorithm_1(50, (0, 8, 16, 32), stiff_drift(sigmas), noise(), sigmas)
    for before, after in pairwise(outputs):
        assert (before["latent"] - after["latent"]).abs().max() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("starts", [(0,), (0, 1), (0, 8, 16, 32), (0, 2, 4, 8, 16, 24, 32, 40)])
def test_oracle_gives_core_0_the_bits_of_plain_euler(starts, dtype):
    sigmas, latent = shifted_sigmas(50), noise(dtype=dtype)
    drift = stiff_drift(sigmas)
    exact = latent
    for step in range(50):
        exact = exact + (sigmas[step + 1] - sigmas[step]) * drift(exact, step)
    assert torch.equal(simulate(chords_plan(50, starts), drift, latent, sigmas)[-1].latent, exact)


def test_oracle_steps_in_float32_and_carries_half_precision():
    sigmas, latent = shifted_sigmas(12), noise(dtype=torch.bfloat16)
    drift = stiff_drift(sigmas)
    exact = latent
    for step in range(12):
        step_size = sigmas[step + 1] - sigmas[step]
        exact = (exact.float() + step_size * drift(exact, step).float()).bfloat16()
    outputs = simulate(chords_plan(12, (0, 3, 6)), drift, latent, sigmas)
    assert {output.latent.dtype for output in outputs} == {torch.bfloat16}
    assert torch.equal(outputs[-1].latent, exact)


def test_oracle_carries_the_dtype_that_is_asked_for():
    sigmas = shifted_sigmas(12)
    outputs = simulate(
        chords_plan(12, (0, 3)), stiff_drift(sigmas), noise(), sigmas, dtype=torch.float32
    )
    assert {output.latent.dtype for output in outputs} == {torch.float32}


def test_oracle_accepts_sigmas_as_a_tensor():
    sigmas = shifted_sigmas(12)
    plan, drift = chords_plan(12, (0, 3, 6)), stiff_drift(sigmas)
    listed = simulate(plan, drift, noise(), sigmas)
    stacked = simulate(plan, drift, noise(), torch.tensor(sigmas, dtype=torch.float64))
    assert all(torch.equal(a.latent, b.latent) for a, b in zip(listed, stacked, strict=True))


def test_oracle_refuses_sigmas_of_another_grid():
    with pytest.raises(ValueError, match=r"(?m)^50 steps take 51 sigmas, not 50$"):
        simulate(chords_plan(50, (0,)), linear_drift(1.0), noise(), shifted_sigmas(49))


def test_sequential_plan_is_core_0_of_every_chords_plan():
    sigmas = shifted_sigmas(20)
    drift = stiff_drift(sigmas)
    preview, exact = simulate(sequential_plan(20), drift, noise(), sigmas)
    assert (preview.index, preview.core, preview.round) == (0, 0, 1)
    assert (exact.index, exact.core, exact.round) == (1, 0, 20)
    parallel = simulate(chords_plan(20, (0, 5, 10)), drift, noise(), sigmas)
    assert torch.equal(parallel[-1].latent, exact.latent)


def test_every_output_is_exact_when_the_drift_is_constant():
    sigmas = shifted_sigmas(30)
    outputs = simulate(
        chords_plan(30, (0, 5, 10, 20)), lambda x, step: torch.ones_like(x), noise(), sigmas
    )
    for output in outputs:
        torch.testing.assert_close(output.latent, noise() - 1, rtol=0, atol=1e-12)


def test_outputs_come_closer_to_the_exact_one_in_order_on_a_linear_problem():
    sigmas = shifted_sigmas(50)
    *earlier, exact = simulate(chords_plan(50, (0, 8, 16, 32)), linear_drift(2.0), noise(), sigmas)
    errors = [float((output.latent - exact.latent).abs().max()) for output in earlier]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < errors[0] / 5


def test_core_0_converges_to_the_solution_of_a_linear_problem_at_first_order():
    def error(steps: int) -> float:
        exact = noise() * torch.exp(torch.tensor(-2.0, dtype=torch.float64))
        plan = chords_plan(steps, (0, steps // 4, steps // 2))
        found = simulate(plan, linear_drift(2.0), noise(), shifted_sigmas(steps))[-1].latent
        return float((found - exact).abs().max())

    assert 1.8 < error(100) / error(200) < 2.2
    assert 1.8 < error(200) / error(400) < 2.2


def test_every_output_of_a_plan_cut_short_keeps_its_bits():
    for number, (steps, starts) in enumerate(random_problems(60)):
        sigmas, start = shifted_sigmas(steps), noise(seed=number)
        plan, drift = chords_plan(steps, starts), stiff_drift(sigmas)
        full = simulate(plan, drift, start, sigmas)
        for index in range(len(starts) + 1):
            cut = simulate(plan.until(index), drift, start, sigmas)
            assert len(cut) == index + 1
            for whole, part in zip(full, cut, strict=False):
                assert (whole.index, whole.core, whole.round) == (part.index, part.core, part.round)
                assert torch.equal(whole.latent, part.latent)


def test_oracle_calls_the_drift_as_often_as_the_plan_says():
    sigmas = shifted_sigmas(50)
    for index in range(5):
        plan = chords_plan(50, (0, 8, 16, 32)).until(index)
        seen: list[int] = []

        def drift(latent: Tensor, step: int, seen: list[int] = seen) -> Tensor:
            seen.append(step)
            return latent

        simulate(plan, drift, noise(), sigmas)
        walked = zip(plan.walks, plan.evaluations, strict=True)
        assert sorted(seen) == sorted(step for walk, n in walked for step in walk[:n])
