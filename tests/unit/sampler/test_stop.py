"""When a run has its result, and who may have to decode it."""

import pytest

from chords_cli.sampler import chords_plan
from chords_cli.sampler.stop import StopRule

PLAN = chords_plan(50, (0, 8, 16, 32))
AT_TWO, BY_RESIDUAL = StopRule(index=2), StopRule("residual", residual=0.1)


def test_a_result_is_known_before_the_run_unless_residuals_choose_it() -> None:
    assert AT_TWO.fixed == 2
    assert BY_RESIDUAL.fixed is None


def test_the_latest_result_is_the_exact_one_where_residuals_choose() -> None:
    assert AT_TWO.latest(PLAN) == 2
    assert BY_RESIDUAL.latest(PLAN) == 4


def test_the_core_that_makes_the_result_decodes_or_everyone_who_may_make_it() -> None:
    assert AT_TWO.decoders(PLAN) == {2}
    assert AT_TWO.decoders(PLAN, keep=True) == {0, 1, 2, 3}
    assert BY_RESIDUAL.decoders(PLAN) == {0, 1, 2, 3}
    assert StopRule(index=0).decoders(PLAN) == {3}


@pytest.mark.parametrize(
    ("index", "residual", "accepted"),
    [(0, None, False), (1, None, False), (1, 0.2, False), (2, 0.05, True), (4, 0.3, True)],
)
def test_a_small_residual_or_the_last_output_is_accepted(
    index: int, residual: float | None, accepted: bool
) -> None:
    assert BY_RESIDUAL.accepts(index, residual, last=4) is accepted
