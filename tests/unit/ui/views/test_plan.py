"""What is printed about a plan below its chart."""

from chords_cli.sampler import chords_plan
from chords_cli.ui.views.plan import plan_summary

PLAN = chords_plan(50, (0, 8, 16, 32))


def test_summary_tells_rounds_speed_up_and_cost_of_the_result():
    assert plan_summary(PLAN, 1).plain.splitlines() == [
        "rounds    21 instead of 50 (to output 1)",
        "speed-up  2.38x, if every core has a device of its own",
        "NFE       78 distinct; 75 run: 9 not needed, 6 repeated",
        "messages  5 latents sent between neighbours",
    ]


def test_summary_tells_the_latest_result_as_such_where_a_residual_decides():
    assert plan_summary(PLAN, 4, latest=True).plain.splitlines() == [
        "rounds    at most 50 instead of 50 (to output 4 at the latest)",
        "speed-up  at least 1.00x, if every core has a device of its own",
        "NFE       at most 144 distinct; 150 run: 6 repeated",
        "messages  at most 10 latents sent between neighbours",
    ]
