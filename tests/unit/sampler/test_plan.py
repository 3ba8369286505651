"""Plans: what ALGORITHM.md says about rounds, messages and costs, for any valid starts."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given

from chords_cli.cli.options import as_option
from chords_cli.errors import PlanError, UsageError
from chords_cli.sampler import Hit, Message, Plan, chords_plan, sequential_plan, wavefront_plan
from tests.doubles.problems import grids

PUBLISHED = {
    4: (0, 8, 16, 32),
    6: (0, 3, 6, 12, 24, 36),
    8: (0, 2, 4, 8, 16, 24, 32, 40),
}


def evaluations_needed(plan: Plan, hit: Hit) -> set[tuple[int, int]]:
    """The (core, round) pairs that a hit depends on, found by following every dependency."""
    sent = {(message.core, message.round) for message in plan.messages}
    needed, open_ends = set(), [(hit.core, hit.round - 1)]
    while open_ends:
        core, round = open_ends.pop()
        if (core, round) in needed:
            continue
        needed.add((core, round))
        if round > 0:
            open_ends.append((core, round - 1))
        if (core, round) in sent:
            open_ends.append((core - 1, round))
    return needed


@given(grids())
def test_core_k_arrives_after_k_plus_t_minus_its_start_rounds(grid):
    steps, starts = grid
    plan, last = chords_plan(*grid), len(starts) - 1
    preview, *arrivals = plan.hits
    assert preview == Hit(index=0, core=last, round=last + 1)
    assert arrivals == [
        Hit(index=last - core + 1, core=core, round=core + steps - starts[core])
        for core in range(last, -1, -1)
    ]


@given(grids())
def test_outputs_arrive_in_order(grid):
    rounds = [hit.round for hit in chords_plan(*grid).hits]
    assert rounds == sorted(rounds)


@given(grids())
def test_a_walk_is_the_chain_of_starts_and_then_every_step(grid):
    steps, starts = grid
    for core, walk in enumerate(chords_plan(*grid).walks):
        assert walk[: core + 1] == starts[: core + 1]
        assert walk[core:] == tuple(range(starts[core], steps))


@given(grids())
def test_walks_increase_and_stay_on_the_grid(grid):
    plan = chords_plan(*grid)
    for core, walk in enumerate(plan.walks):
        assert list(walk) == sorted(set(walk))
        assert walk[0] == 0
        assert walk[-1] == plan.steps - 1
        assert plan.evaluations[core] == len(walk)


@given(grids())
def test_a_core_stands_after_a_round_where_it_evaluates_next(grid):
    plan = chords_plan(*grid)
    for core, walk in enumerate(plan.walks):
        stops = [plan.reached(core, round) for round in range(len(walk))]
        assert stops == [*walk[1:], plan.steps]


@given(grids())
def test_a_core_receives_at_most_one_message_a_round_in_order(grid):
    received = [(message.round, message.core) for message in chords_plan(*grid).messages]
    assert received == sorted(set(received))


@given(grids())
def test_a_message_starts_where_its_sender_stands_and_stops_where_its_receiver_will(grid):
    plan = chords_plan(*grid)
    for message in plan.messages:
        assert 1 <= message.core < plan.cores
        assert plan.walks[message.core - 1][message.round] == message.start
        assert plan.reached(message.core, message.round) == message.stop
        assert message.start < message.stop


@given(grids())
def test_messages_travel_only_from_a_core_to_the_next_faster_one(grid):
    plan = chords_plan(*grid)
    received = [m for core in range(plan.cores) for m in plan.incoming(core).values()]
    sent = [m for core in range(plan.cores) for m in plan.outgoing(core).values()]
    assert set(received) == set(sent) == set(plan.messages)
    assert plan.incoming(0) == plan.outgoing(plan.cores - 1) == {}
    for core in range(plan.cores):
        assert all(m.core == core + 1 for m in plan.outgoing(core).values())


@given(grids())
def test_a_core_is_rectified_in_every_round_that_closes_its_gap(grid):
    steps, starts = grid
    plan = chords_plan(*grid)
    for core in range(1, plan.cores):
        gap = starts[core] - starts[core - 1]
        both_active = range(core, core + steps - starts[core])
        closing = [round for round in both_active if (round - core + 1) % gap == 0]
        assert list(plan.incoming(core)) == closing


@given(grids())
def test_a_rectification_begins_where_the_one_before_it_ended(grid):
    plan = chords_plan(*grid)
    for core in range(1, plan.cores):
        anchor = plan.walks[core][core]
        for message in plan.incoming(core).values():
            assert message.start == anchor
            anchor = message.stop


@given(grids())
def test_a_plan_cut_short_keeps_outputs_and_never_needs_more(grid):
    plan = chords_plan(*grid)
    for index in range(plan.cores + 1):
        cut = plan.until(index)
        assert cut.hits == plan.hits[: index + 1]
        assert cut.walks == plan.walks
        assert set(cut.messages) <= set(plan.messages)
        assert all(a <= b for a, b in zip(cut.evaluations, plan.evaluations, strict=True))
        assert cut.until(index) == cut
        assert max(cut.evaluations) <= max(hit.round for hit in cut.hits)
        for core, ran in enumerate(cut.evaluations):
            rounds = [*cut.incoming(core), *cut.outgoing(core)]
            assert all(round < ran for round in rounds), "a message of a core that has ended"


@given(grids())
def test_a_plan_cut_short_runs_exactly_what_its_outputs_depend_on(grid):
    plan = chords_plan(*grid)
    for index in range(1, plan.cores + 1):
        cut = plan.until(index)
        runs = {(k, r) for k, ran in enumerate(cut.evaluations) for r in range(ran)}
        needed = set().union(*(evaluations_needed(plan, hit) for hit in cut.hits))
        assert runs == needed


@given(grids())
def test_a_plan_until_its_last_output_is_the_whole_plan(grid):
    plan = chords_plan(*grid)
    assert plan.until(plan.cores) == plan
    assert plan.nfe_wasted(plan.cores) == 0


@given(grids())
def test_nfe_counts_every_core_from_its_own_start_on(grid):
    steps, starts = grid
    plan = chords_plan(*grid)
    for index in range(plan.cores + 1):
        rounds = plan.rounds(index)
        by_core = [
            min(core + steps - start, rounds) - min(core, rounds)
            for core, start in enumerate(starts)
        ]
        assert plan.nfe_total(index) == sum(by_core)


@given(grids())
def test_nfe_is_split_into_what_an_output_needs_and_what_is_wasted(grid):
    plan = chords_plan(*grid)
    for index in range(plan.cores + 1):
        cut = plan.until(index)
        ran = zip(cut.evaluations, plan.repeated, strict=True)
        kept = sum(max(0, n - repeated) for n, repeated in ran)
        assert plan.nfe_total(index) == kept + plan.nfe_wasted(index)
        assert plan.nfe_wasted(index) >= 0


@given(grids())
def test_nfe_grows_with_the_index_and_speed_up_falls(grid):
    plan = chords_plan(*grid)
    total = [plan.nfe_total(index) for index in range(plan.cores + 1)]
    speedup = [plan.speedup(index) for index in range(plan.cores + 1)]
    assert total == sorted(total)
    assert speedup == sorted(speedup, reverse=True)
    assert speedup[-1] == 1.0


@given(grids(most_cores=1))
def test_one_core_is_the_sequential_sampler(grid):
    steps, starts = grid
    plan = chords_plan(steps, starts)
    assert plan.walks == (tuple(range(steps)),)
    assert plan.messages == ()
    assert plan.rounds() == plan.nfe_total() == steps
    assert sequential_plan(steps).walks == plan.walks
    assert sequential_plan(steps).hits == plan.hits
    assert sequential_plan(steps).algo == "sequential"


@pytest.mark.parametrize(
    ("cores", "rounds", "speedup"), [(4, 21, 2.38), (6, 19, 2.63), (8, 17, 2.94)]
)
def test_published_starts_give_the_published_rounds(cores, rounds, speedup):
    plan = chords_plan(50, PUBLISHED[cores])
    assert plan.rounds() == rounds
    assert round(plan.speedup(), 2) == speedup


@pytest.mark.parametrize(("cores", "nfe"), [(4, 78), (8, 108)])
def test_published_starts_cost_so_many_evaluations(cores, nfe):
    assert chords_plan(50, PUBLISHED[cores]).nfe_total() == nfe


def test_what_is_run_leaves_out_what_nobody_needs_and_counts_what_is_done_twice():
    chords, wavefront = chords_plan(50, PUBLISHED[4]), wavefront_plan(50, 4, 15)
    assert (chords.nfe_total(), chords.nfe_wasted(), chords.nfe_run()) == (78, 9, 75)
    assert (wavefront.nfe_total(), wavefront.nfe_wasted(), wavefront.nfe_run()) == (57, 0, 60)
    assert sequential_plan(50).nfe_run() == 50


def test_second_output_of_eight_published_cores_comes_at_half_the_latency():
    assert round(chords_plan(50, PUBLISHED[8]).speedup(2), 2) == 2.08


def test_two_cores_half_a_grid_apart_exchange_nothing_before_the_fast_one_arrives():
    plan = chords_plan(50, (0, 25))
    assert [message.round for message in plan.messages] == [25]
    assert plan.until(1).messages == plan.messages


def test_four_published_cores_rectify_at_these_rounds():
    plan = chords_plan(50, PUBLISHED[4])
    assert list(plan.incoming(1)) == [8, 16, 24, 32, 40]
    assert list(plan.incoming(2)) == [9, 17, 25, 33]
    assert list(plan.incoming(3)) == [18]
    assert plan.messages[0] == Message(round=8, core=1, start=8, stop=16)


def test_neighbours_one_step_apart_are_rectified_in_every_round():
    plan = chords_plan(10, (0, 1))
    assert list(plan.incoming(1)) == list(range(1, 10))
    assert [(m.start, m.stop) for m in plan.messages] == [(n, n + 1) for n in range(1, 10)]


def test_as_many_cores_as_steps_make_a_plan():
    plan = chords_plan(6, range(6))
    assert [hit.round for hit in plan.hits] == [6, 6, 6, 6, 6, 6, 6]


def test_starts_may_be_any_sequence():
    assert chords_plan(50, [0, 8]) == chords_plan(50, (0, 8))
    assert chords_plan(50, [0, 8]).init_t == (0, 8)


def test_plans_are_values():
    plan = chords_plan(50, (0, 8))
    assert hash(plan) == hash(chords_plan(50, (0, 8)))
    with pytest.raises(FrozenInstanceError):
        plan.steps = 3


@pytest.mark.parametrize(
    ("steps", "starts", "message", "hint"),
    [
        (0, (0,), "steps is 0, but a grid has at least 1 step", "try --steps 50"),
        (-3, (0,), "steps is -3, but a grid has at least 1 step", "try --steps 50"),
        (
            50,
            (),
            "init_t (empty) does not start at 0",
            "core 0 visits every step: begin with 0, as in 0-8-16-32",
        ),
        (
            50,
            (1, 8),
            "init_t 1-8 does not start at 0",
            "core 0 visits every step: begin with 0, as in 0-8-16-32",
        ),
        (50, (0, 8, 8, 16), "init_t 0-8-8-16 repeats 8", "give every core its own start"),
        (
            50,
            (0, 16, 8),
            "init_t 0-16-8 is not increasing: 8 follows 16",
            "sort the starts, slowest core first, as in 0-8-16-32",
        ),
        (
            50,
            (0, 8, 50),
            "init_t 0-8-50 reaches 50, but the grid's last step is 49",
            "keep every start below --steps 50",
        ),
        (
            1,
            (0, 1),
            "init_t 0-1 reaches 1, but the grid's last step is 0",
            "keep every start below --steps 1",
        ),
    ],
)
def test_starts_that_make_no_plan_are_refused_in_these_words(steps, starts, message, hint):
    with pytest.raises(PlanError) as refusal:
        chords_plan(steps, starts)
    assert refusal.value.spelled(as_option) == (message, hint)


def test_a_plan_error_is_wrong_usage():
    assert issubclass(PlanError, UsageError)
    assert PlanError("no").exit_code == 2
