"""How a session follows one job: which output it chooses and what it tells the workers."""

import numpy as np
import pytest

from chords_cli.engine.messages import (
    Cancel,
    Decode,
    Decoded,
    Finish,
    Finished,
    Job,
    Landed,
    Latent,
)
from chords_cli.engine.samples.job import SampledOutput, Session
from chords_cli.errors import ChordsError
from chords_cli.events import CoreArrived
from chords_cli.sampler import chords_plan
from chords_cli.sampler.stop import StopRule

PLAN = chords_plan(12, (0, 2, 4))
"""Outputs 0 (the preview) to 3."""


class Talk:
    """A session that hears all outputs land in an order, each decoded at once when asked."""

    def __init__(self, stop: StopRule, *, keep: bool) -> None:
        self.sent: list[tuple[int, object]] = []
        self.decoded: list[SampledOutput] = []
        job = Job(
            number=1,
            plan=PLAN,
            call={},
            seed=0,
            threads=1,
            encodes=True,
            scheduler=None,
            cache=None,
        )
        self.session = Session(
            job,
            stop,
            keep=keep,
            send=lambda core, message: self.sent.append((core, message)),
            tell=lambda event: None,
            on_output=self.decoded.append,
        )

    def land(self, index: int, value: float) -> None:
        hit = PLAN.hits[index]
        data = np.array([value], "<f4").tobytes()
        landed = Landed(
            number=1,
            core=hit.core,
            index=index,
            round=hit.round,
            latent=Latent("float32", (1,), data),
            at=0.0,
        )
        self.session.hear(landed)

    def decode(self, index: int) -> None:
        frames = np.zeros((1, 1, 1, 3), np.uint8)
        core = PLAN.hits[index].core
        self.session.hear(Decoded(number=1, core=core, index=index, frames=frames, seconds=0.5))

    def finish(self) -> None:
        for core in range(PLAN.cores):
            done = Finished(number=1, core=core, encode_seconds=0.0, peak_memory=(None, 1))
            self.session.hear(done)


VALUES = (9.0, 4.0, 1.0, 0.9)
"""Of the outputs' latents: residuals 5 (unless in the preview's round), 3 and 0.1."""


@pytest.mark.parametrize(
    ("stop", "chosen"),
    [
        (StopRule(index=0), 0),
        (StopRule(index=2), 2),
        (StopRule(criterion="residual", residual=3.5), 2),
        (StopRule(criterion="residual", residual=0.01), 3),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_one_decoded_output_says_that_it_is_the_result(stop, chosen, order):
    talk = Talk(stop, keep=True)
    assert talk.session.arrived is None
    for index in order:
        talk.land(index, VALUES[index])
    arrived = talk.session.arrived  # before anything is decoded
    assert arrived is not None
    assert (arrived.index, arrived.chosen) == (chosen, True)
    for index in reversed(range(4)):
        talk.decode(index)
    talk.finish()
    assert [output.index for output in talk.decoded if output.chosen] == [chosen]
    assert talk.session.over
    result = talk.session.result()
    assert result.chosen == chosen
    assert [output.chosen for output in result.outputs] == [i == chosen for i in range(4)]
    assert [output.frames for output in result.outputs] == [None] * 4


def test_workers_stop_and_finish_as_soon_as_the_result_is_there():
    talk = Talk(StopRule(criterion="residual", residual=3.5), keep=False)
    for index in range(3):
        talk.land(index, VALUES[index])
    talk.decode(2)
    talk.finish()
    cores = range(PLAN.cores)
    decode = (PLAN.hits[2].core, Decode(1, 2))
    assert talk.sent == [
        decode,
        *((core, Cancel(1)) for core in cores),
        *((core, Finish(1)) for core in cores if core != decode[0]),
        (decode[0], Finish(1)),
    ]
    assert len(talk.session.result().outputs) == 3


def test_cores_that_decode_nothing_are_free_after_their_walk_where_the_plan_tells_which():
    deciding = PLAN.hits[1].core
    for stop, keep in ((StopRule(), True), (StopRule("residual", residual=1.0), False)):
        talk = Talk(stop, keep=keep)
        talk.session.begin()
        assert [core for core, message in talk.sent if isinstance(message, Finish)] == []
    talk = Talk(StopRule(), keep=False)
    talk.session.begin()
    said = [(core, Finish(1)) for core in range(PLAN.cores) if core != deciding]
    assert talk.sent[PLAN.cores :] == said, "after the job itself"


def test_an_output_that_lands_early_waits_for_those_before_it():
    talk = Talk(StopRule(), keep=True)
    talk.land(1, 4.0)
    assert talk.sent == []
    talk.land(0, 9.0)
    assert [message.index for _, message in talk.sent] == [0, 1]


@pytest.mark.parametrize("keep", [True, False])
def test_an_output_that_no_core_sends_any_more_is_not_waited_for(keep):
    talk = Talk(StopRule(), keep=keep)
    talk.land(1, 1.0)
    for core in (2, 1):
        talk.session.hear(CoreArrived(core=core))
    with pytest.raises(ChordsError, match=r"(?m)^all 3 cores have ended, but output 0 is missing$"):
        talk.session.hear(CoreArrived(core=0))


def test_cores_that_end_because_they_were_told_owe_nothing():
    talk = Talk(StopRule(), keep=True)
    talk.session.cancel()
    for core in range(PLAN.cores):
        talk.session.hear(CoreArrived(core=core))
