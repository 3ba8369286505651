"""Plans are made on machines without torch."""

import subprocess
import sys

import pytest

import chords_cli.sampler

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # any import of torch now fails
from chords_cli.sampler import chords_plan, default_init_t, sequential_plan
from chords_cli.sampler.stop import StopRule
plan = chords_plan(50, default_init_t(50, 8))
print(plan.rounds(), plan.nfe_total(), len(plan.until(1).messages) > 0, sequential_plan(9).rounds())
heavy = {"torch", "numpy", "diffusers", "transformers"} & {n for n, m in sys.modules.items() if m}
print(sorted(heavy))
"""


def test_plans_are_made_without_torch():
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["17 108 True 9", "[]"]


def test_the_four_names_of_the_sampler_are_importable():
    from chords_cli.sampler import Plan, chords_plan, default_init_t, simulate

    assert all(map(callable, (Plan, chords_plan, default_init_t, simulate)))


def test_everything_that_the_sampler_announces_exists():
    for name in chords_cli.sampler.__all__:
        assert getattr(chords_cli.sampler, name) is not None


def test_an_unknown_name_of_the_sampler_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'solve'"):
        chords_cli.sampler.solve  # noqa: B018
