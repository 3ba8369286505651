from chords_cli.events import CoreDecoding, CoreEncoded, CoreStepped, OutputLanded
from chords_cli.runs.compare.timeline import timeline
from chords_cli.sampler.plan import chords_plan

PLAN = chords_plan(5, (0, 2)).until(1)


def stepped(core, round, at, waited=0.0, correction=None):
    return CoreStepped(
        at=at,
        core=core,
        round=round,
        step=PLAN.walks[core][round],
        stop=PLAN.reached(core, round),
        evaluations=PLAN.evaluations[core],
        correction=correction,
        waited=waited,
    )


EVENTS = [
    CoreEncoded(at=101.0, core=0, seconds=0.9),
    CoreEncoded(at=101.0, core=1, seconds=0.8),
    stepped(0, 0, 102.0),
    stepped(1, 0, 101.5),
    stepped(0, 1, 103.0),
    stepped(1, 1, 102.0),
    stepped(0, 2, 103.2),
    stepped(1, 2, 103.25, waited=1.0, correction=0.5),
    stepped(1, 3, 104.0),
    OutputLanded(at=104.1, core=1, index=1, round=4, residual=0.1, seconds=4.0),
    CoreDecoding(at=104.0, core=1, index=1),
]
TOLD = timeline(EVENTS, PLAN, ("cpu", "cpu"), began=100.0, decoded=105.0, chosen=1)


def spans(core):
    return [(span.what, span.start, span.stop) for span in TOLD.cores[core].spans]


def test_a_core_encodes_then_computes_step_after_step():
    assert spans(0) == [
        ("encode", 0.1, 1.0),
        ("compute", 1.0, 2.0),
        ("compute", 2.0, 3.0),
        ("compute", 3.0, 3.2),
    ]


def test_a_core_that_waits_for_a_latent_does_so_at_the_end_of_its_step():
    assert spans(1) == [
        ("wait", 0.2, 1.0),
        ("compute", 1.0, 1.5),
        ("compute", 1.5, 2.0),
        ("compute", 2.0, 2.25),
        ("wait", 2.25, 3.25),
        ("compute", 3.25, 4.0),
        ("decode", 4.0, 5.0),
    ]


def test_a_message_goes_from_the_senders_step_to_the_receivers():
    assert TOLD.document()["messages"] == [
        {"round": 2, "from": 0, "to": 1, "sent": 3.2, "received": 3.25, "correction": 0.5}
    ]


def test_outputs_stand_where_they_landed():
    assert TOLD.document()["outputs"] == [
        {"index": 1, "core": 1, "round": 4, "at": 4.0, "chosen": True}
    ]
    assert TOLD.seconds == 5.0
