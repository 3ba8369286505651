"""What events tell about a run."""

import pytest

from chords_cli import events
from chords_cli.sampler import chords_plan, sequential_plan
from chords_cli.sampler.stop import StopRule
from chords_cli.ui.live.progress import HISTORY, Progress
from tests.doubles.replay import run_events

PLAN = chords_plan(50, (0, 8, 16, 32))


def after(kind: type[events.Event], prompts: int = 1) -> Progress:
    """What is known right after the first event of that kind."""
    progress = Progress()
    for event in run_events(PLAN, prompts=prompts):
        progress.apply(event)
        if isinstance(event, kind):
            break
    return progress


def states(progress: Progress) -> list[str]:
    return [core.state for _, core in sorted(progress.cores.items())]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (events.RunResolved, ["starting"] * 4),
        (events.CoreLoading, ["loading", "starting", "starting", "starting"]),
        (events.CoreReady, ["ready", "loading", "loading", "loading"]),
        (events.PromptStarted, ["encoding", "waiting", "waiting", "waiting"]),
        (events.CoreEncoded, ["sampling", "waiting", "waiting", "waiting"]),
        (events.CoreArrived, ["done", "sampling", "sampling", "sampling"]),
        (events.CoreDecoding, ["done", "done", "done", "decoding"]),
        (events.PromptDone, ["done"] * 4),
    ],
)
def test_states_of_the_cores_follow_their_events(kind, expected):
    assert states(after(kind)) == expected


def test_cores_end_where_the_plan_ends_them():
    progress = after(events.PromptDone)
    done = {rank: (core.done, core.evaluations) for rank, core in progress.cores.items()}
    needed = PLAN.until(1).evaluations
    assert done == {rank: (count, count) for rank, count in enumerate(needed)}
    assert progress.cores[3].stop == 50


def test_outputs_and_steps_begin_again_with_every_prompt():
    progress = Progress()
    for event in run_events(PLAN, prompts=2):
        progress.apply(event)
        if isinstance(event, events.PromptStarted) and event.number == 2:
            break
    assert progress.outputs == []
    assert all(core.done == 0 and not core.corrections for core in progress.cores.values())
    assert progress.total == 2


def test_only_the_last_corrections_are_remembered():
    progress = Progress()
    for number in range(20):
        progress.apply(
            events.CoreStepped(
                core=1, round=number, step=number, stop=number + 1, evaluations=20,
                correction=float(number), waited=0.0,
            )
        )  # fmt: skip
    assert list(progress.core(1).corrections) == [float(n) for n in range(20 - HISTORY, 20)]


def test_core_that_saved_an_output_goes_on_sampling_when_it_has_steps_left():
    progress = Progress()
    progress.apply(
        events.CoreStepped(
            core=3, round=3, step=32, stop=33, evaluations=21, correction=None, waited=0.0
        )
    )
    progress.apply(events.CoreDecoding(core=3, index=0))
    assert progress.core(3).state == "decoding"
    progress.apply(events.OutputSaved(index=0, path="x.png"))
    assert progress.core(3).state == "sampling"


def test_a_saved_output_ends_no_other_decoding():
    progress = Progress()
    for index, core in enumerate((3, 2)):
        progress.apply(events.CoreDecoding(core=core, index=index))
    progress.apply(events.OutputSaved(index=0, path="x.png"))
    assert (progress.core(3).state, progress.core(2).state) == ("done", "decoding")


def test_a_next_plan_leaves_nothing_of_the_one_before():
    progress = after(events.PromptDone)
    smaller = chords_plan(50, (0, 16))
    progress.apply(
        events.RunResolved(
            model="Toy", plan=smaller, stop=StopRule(index=1), devices=("cpu",) * 2, output="out"
        )
    )
    assert (sorted(progress.cores), progress.prompt, progress.outputs) == ([0, 1], None, [])


def test_the_cores_of_a_next_model_are_counted_and_timed_by_themselves():
    progress = after(events.PromptDone)
    for core in (1, 0):
        progress.apply(events.CoreStarted(core=core, device="cpu", pid=1, at=100.0 - core))
    for core in (0, 1):
        assert not progress.all_ready
        progress.apply(events.CoreReady(core=core, components=(), seconds=1.0))
    assert progress.all_ready
    assert (len(progress.cores), progress.loading_since) == (2, 99.0)


def test_a_core_that_is_ready_before_another_starts_is_counted():
    progress = Progress()
    for core in (0, 1):
        progress.apply(events.CoreStarted(core=core, device="cpu", pid=1))
        progress.apply(events.CoreReady(core=core, components=(), seconds=1.0))
    assert (progress.all_ready, len(progress.cores)) == (True, 2)


def test_unknown_events_change_nothing():
    progress = Progress()
    progress.apply(events.Event(at=3.0))
    assert progress == Progress(loading_since=3.0)


def test_groups_make_several_at_a_time_and_each_knows_its_own() -> None:
    progress = Progress()
    plan = sequential_plan(8)
    resolved = events.RunResolved(
        model="Tiny", plan=plan, stop=StopRule(), devices=("cpu",) * 2, output="out", groups=2
    )
    began = [
        events.PromptStarted(number=n, total=3, prompt=f"number {n}", seed=n, group=n - 1)
        for n in (1, 2)
    ]
    for event in (resolved, *began):
        progress.apply(event)
    assert [progress.core(core).number for core in (0, 1)] == [1, 2]
    assert progress.core(1).state == "encoding"
    progress.apply(events.CoreDecoding(core=1, index=1))
    progress.apply(events.OutputSaved(index=1, path="1.png", number=1))
    assert progress.core(1).state == "decoding"
    progress.apply(events.PromptDone(number=2, path="2.png", seconds=1.0))
    assert (progress.core(0).state, progress.core(1).state) == ("encoding", "done")
    assert ([*progress.making], progress.finished, progress.total) == ([1], 1, 3)


def test_a_core_is_shown_at_the_next_image_when_it_has_got_there() -> None:
    progress = Progress()
    for event in run_events(PLAN, prompts=2):
        if isinstance(event, events.CoreDecoding):
            break
        progress.apply(event)
    first = progress.prompt
    assert first is not None
    progress.apply(events.PromptStarted(number=2, total=2, prompt="next", seed=43))
    progress.apply(events.CoreDecoding(core=3, index=1))
    progress.apply(events.CoreEncoded(core=0, seconds=0.1))
    progress.apply(events.CoreEncoded(core=1, seconds=0.1))
    numbers = [core.number for _, core in sorted(progress.cores.items())]
    assert (numbers, states(progress)) == ([2, 2, 1, 1], ["sampling"] * 2 + ["done", "decoding"])
    assert progress.core(3).done == PLAN.until(1).evaluations[3]
    assert [output.index for output in progress.outputs] == [0, 1], "of the first"
    assert [*progress.making] == [1, 2]
    progress.apply(events.OutputSaved(index=1, path="1.png", number=1))
    progress.apply(events.PromptDone(number=1, path="1.png", seconds=1.0))
    assert states(progress) == ["sampling"] * 2 + ["waiting"] * 2
    assert [core.number for core in progress.cores.values()] == [2] * 4
    assert progress.outputs == []
    progress.apply(events.OutputLanded(core=3, index=0, round=3, residual=None, seconds=1.0))
    assert [output.index for output in progress.outputs] == [0]


def test_a_picture_that_is_written_late_changes_nothing_of_the_next_one() -> None:
    progress = after(events.CoreDecoding)
    progress.apply(events.PromptStarted(number=2, total=2, prompt="next", seed=43))
    for core in range(4):
        progress.apply(events.CoreEncoded(core=core, seconds=0.1))
    progress.apply(events.OutputSaved(index=1, path="1.png", number=1))
    progress.apply(events.PromptDone(number=1, path="1.png", seconds=1.0))
    assert states(progress) == ["sampling"] * 4
    assert progress.finished == 1
