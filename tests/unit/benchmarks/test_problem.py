"""The study's drift is the pipeline's own: on tiny pipelines of both built-in models' classes."""

import pytest
import torch

from benchmarks.study.arms import arms, sequential
from benchmarks.study.measures import joined, measured
from benchmarks.study.models import Asked
from benchmarks.study.previews import CANDIDATES, previews
from benchmarks.study.problem import Problem
from benchmarks.study.report import table
from chords_cli.sampler import sequential_plan
from tests.doubles import tiny

STEPS, PROMPTS = 12, ["a cat", "a dog", "a bird"]
FAMILIES = {"flux": "true_cfg_scale", "wan": "guidance_scale"}


def problem(family: str, guidance: float = 4.0, **scheduler) -> Problem:
    pipe = tiny.BUILDERS[family]()
    pipe.set_progress_bar_config(disable=True)
    if scheduler:
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **scheduler)
    call = tiny.CALLS[family] | {
        "prompt": PROMPTS,
        "negative_prompt": [""] * len(PROMPTS),
        "num_inference_steps": STEPS,
        FAMILIES[family]: guidance,
    }
    return Problem(pipe, call, range(len(PROMPTS)), guidance)


@pytest.fixture(scope="module", params=FAMILIES)
def recorded(request) -> Problem:
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


def test_decoded_latents_are_what_the_pipeline_shows(recorded):
    frames = recorded.decode(recorded.path[-1])
    assert frames.dtype == "uint8"
    assert frames.shape[:2] == (3, 9 if recorded.noise.dim() == 5 else 1)


def test_every_arm_makes_a_row_and_the_sequential_one_is_no_distance_away(recorded):
    exact = sequential(recorded)
    frames = recorded.decode(exact.latents)
    asked = [Asked(prompt, None, seed) for seed, prompt in enumerate(PROMPTS)]
    every = arms(recorded._pipe, STEPS, cores=[2, 4], rounds=[6, 8])
    rows = [
        measured(
            attempt,
            exact,
            frames,
            problem=recorded,
            asked=asked,
            read=None,
            model="tiny",
            guidance=4.0,
        )
        for attempt in [exact, *(attempt for arm in every for attempt in arm(recorded))]
    ]
    assert rows[0].rmse == [0.0] * 3
    assert {row.arm for row in rows} == {
        *("sequential", "Euler", "UniPC", "DPM++ 2M"),
        *("chords", "wavefront", "ParaDiGMS", "SRDS"),
    }
    (twice,) = joined([rows[3], rows[3]])
    assert len(twice.rmse) == 6
    assert all(row.name in table(rows) for row in rows)


def test_previews_are_made_in_every_early_round_that_there_is(recorded):
    frames = recorded.decode(recorded.path[-1])
    made = previews(recorded, [4], frames, 4.0)
    assert {one.round for one in made} >= {2, 3}
    assert {one.candidate for one in made} == set(CANDIDATES)
