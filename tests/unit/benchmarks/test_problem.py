"""The study's drift is the pipeline's own: on tiny pipelines of both built-in models' classes."""

import pytest
import torch

from chords_cli.sampler import sequential_plan
from tests.unit.benchmarks.problems import FAMILIES, STEPS, problem


@pytest.fixture(scope="module", params=FAMILIES)
def recorded(request):
    with torch.inference_mode():
        return problem(request.param)


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_drift_leads_to_the_pipelines_own_result(family, guidance):
    assert problem(family, guidance).check() < 1e-5


def test_a_drift_that_is_not_the_pipelines_is_refused(recorded, monkeypatch):
    monkeypatch.setattr(recorded, "_guidance", 400.0)
    with pytest.raises(ValueError, match="more than rounding"):
        recorded.check()


def test_path_begins_with_the_noise_of_the_seeds_and_ends_with_stock(recorded):
    assert len(recorded.path) == STEPS + 1
    assert torch.equal(recorded.path[-1], recorded.stock())
    one = torch.randn(recorded.noise[:1].numel(), generator=torch.Generator().manual_seed(1))
    assert torch.equal(recorded.noise[1].flatten().sort()[0], one.sort()[0])


def test_drift_of_some_rows_at_several_steps_is_that_of_all_rows_at_each(recorded):
    rows, steps = torch.tensor([2, 0]), torch.tensor([1, 7])
    latents = torch.stack([recorded.path[1][2], recorded.path[7][0]])
    mixed = recorded.evaluate(latents, steps, rows)
    for n, (row, step) in enumerate(zip(rows.tolist(), steps.tolist(), strict=True)):
        every = torch.arange(recorded.samples)
        whole = recorded.evaluate(recorded.path[step], torch.full_like(every, step), every)
        assert torch.allclose(mixed[n], whole[row], rtol=1e-4, atol=1e-4)


def test_what_core_0_evaluates_is_not_evaluated_again(recorded, monkeypatch):
    steps = []
    monkeypatch.setattr(
        recorded, "evaluate", lambda latents, asked, rows: steps.append(asked) or latents
    )
    outputs = recorded.simulated(sequential_plan(STEPS))
    assert steps == []
    assert torch.equal(outputs[-1].latent, recorded.path[-1])
