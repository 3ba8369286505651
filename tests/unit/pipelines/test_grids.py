"""Settings of schedulers that are refused by name are those with which stock steps go wrong."""

import itertools
from collections.abc import Iterator
from typing import Any

import diffusers
import pytest
import torch

from chords_cli.errors import UsageError
from chords_cli.pipelines.rules import check_clipping, check_grid
from chords_cli.pipelines.solver import StockSolver

ANY = [False, True]
SETTINGS: dict[str, dict[str, list[Any]]] = {
    "DDIMScheduler": {"clip_sample": ANY, "thresholding": ANY},
    "CogVideoXDDIMScheduler": {"clip_sample": ANY},
    "EulerDiscreteScheduler": {"final_sigmas_type": ["zero", "sigma_min"]},
    "DPMSolverMultistepScheduler": {
        "thresholding": ANY,
        "final_sigmas_type": ["zero", "sigma_min"],
    },
    "DEISMultistepScheduler": {"thresholding": ANY},
    "UniPCMultistepScheduler": {
        "thresholding": ANY,
        "predict_x0": ANY,
        "solver_type": ["bh1", "bh2"],
        "final_sigmas_type": ["zero", "sigma_min"],
    },
    "FlowMatchEulerDiscreteScheduler": {"shift_terminal": [None, 0.1]},
}


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, settings in SETTINGS.items():
        for values in itertools.product(*settings.values()):
            yield name, dict(zip(settings, values, strict=True))


def goes_right(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except UsageError:
        return False
    return True


def walk(scheduler: Any) -> bool:
    """Whether stock steps end in something finite."""
    latent = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    for timestep in scheduler.timesteps:
        latent = scheduler.step(0.3 * latent + 0.1, timestep, latent, return_dict=False)[0]
    return bool(latent.isfinite().all())


@pytest.mark.parametrize(("name", "settings"), cases())
def test_what_makes_nan_and_what_clips_is_refused_and_nothing_else(name, settings):
    def scheduler() -> Any:
        made = getattr(diffusers, name)(**settings)
        made.set_timesteps(3)
        return made

    config = dict(scheduler().config)
    finite = walk(scheduler())
    assert goes_right(check_grid, name, config, 3) == finite
    solver = StockSolver(scheduler())
    solver.grid = scheduler().timesteps
    linear = goes_right(check_clipping, name, config)
    assert goes_right(solver.linear_grid) == (linear and finite)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_grid_of_one_step_cannot_be_stretched():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift_terminal=0.1)
    scheduler.set_timesteps(sigmas=[1.0])
    assert not torch.as_tensor(scheduler.sigmas).isfinite().all()
    assert not goes_right(check_grid, type(scheduler).__name__, scheduler.config, 1)
    assert goes_right(check_grid, type(scheduler).__name__, scheduler.config, 2)
    assert goes_right(check_grid, type(scheduler).__name__, scheduler.config, None)


def test_what_the_scheduler_itself_refuses_is_refused_before():
    settings = {"algorithm_type": "dpmsolver", "final_sigmas_type": "zero"}
    with pytest.raises(ValueError, match="not supported"):
        diffusers.DPMSolverMultistepScheduler(**settings)
    assert not goes_right(check_grid, "DPMSolverMultistepScheduler", settings, 3)


def test_a_grid_is_found_once_unless_steps_get_arguments_later():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(8)
    solver = StockSolver(scheduler)
    solver.grid = scheduler.timesteps
    before = solver.linear_grid()
    solver.note(0, {})
    assert solver.linear_grid() is before
    solver.note(1, {"s_churn": 0.0})
    assert solver.linear_grid() is not before
