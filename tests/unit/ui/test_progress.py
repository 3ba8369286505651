"""What events tell about a run."""

import pytest

from chords_cli import events
from chords_cli.sampler import chords_plan
from chords_cli.ui.progress import HISTORY, Progress
from tests.replay import run_events

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


def test_outputs_and_steps_begin_anew_with_every_prompt():
    progress = Progress()
    for event in run_events(PLAN, prompts=2):
        progress.apply(event)
        if isinstance(event, events.PromptStarted) and event.number == 2:
            break
    assert progress.outputs == []
    assert all(core.done == 0 and not core.corrections for core in progress.cores.values())
    assert (progress.finished, progress.total) == (1, 2)


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


def test_unknown_events_change_nothing():
    progress = Progress()
    progress.apply(events.Event(at=3.0))
    assert progress == Progress(began=3.0)
