"""Which core gets which job when: the pool's side of a group, with nobody at the other end."""

import threading
from typing import Any

import pytest

from chords_cli.engine.messages import Cancel, Compile, Finish, Finished, Job, Landed, Latent
from chords_cli.engine.samples.groups import Group, Wanted
from chords_cli.engine.samples.output_thread import OutputThread
from chords_cli.engine.settings import PoolSettings
from chords_cli.events import CoreCompiled
from chords_cli.pipelines.load.spec import ModelSpec
from chords_cli.sampler import wavefront_plan
from chords_cli.sampler.stop import StopRule
from tests.waiting import HANG, until

PLAN = wavefront_plan(8, 3, 6)
DECIDING = PLAN.hits[1].core


class Cores:
    """Processes that keep what they are sent."""

    def __init__(self, members: int = 1, **model: Any) -> None:
        self.sent: list[tuple[int, object]] = []
        spec = ModelSpec(folder="", pipeline="FluxPipeline", dtype="float32", **model)
        settings = PoolSettings(
            model=spec,
            devices=("cpu",) * 3 * members,
            decoders=frozenset({DECIDING}),
            timeout=HANG,
            members=members,
        )
        self.group = Group(0, settings, self, lambda event: None)  # type: ignore[arg-type]
        self.members = members

    def send(self, rank: int, message: object) -> None:
        self.sent.append((rank, message))

    def begin(self, seed: int, **more: Any) -> Any:
        more = {"plan": PLAN, "stop": StopRule()} | more
        wanted = Wanted(call={"prompt": "a cat"}, seed=seed, **more)
        return self.group.begin(wanted, scheduler=None, cache=None, warnings=())

    def jobs(self, seed: int) -> list[int]:
        """Who has got a job, in order."""
        return [rank for rank, job in self.sent if isinstance(job, Job) and job.seed == seed]

    def finish(self, rank: int, seed: int = 1) -> None:
        core, member = divmod(rank, self.members)
        jobs = [job for _, job in self.sent if isinstance(job, Job) and job.seed == seed]
        done = Finished(
            number=jobs[0].number,
            core=core,
            member=member,
            encode_seconds=0.0,
            peak_memory=(None, 1),
        )
        self.group.hear(rank, done)


def test_a_core_gets_the_next_job_when_it_is_free_and_the_one_before_it_has_got_it() -> None:
    cores = Cores()
    cores.begin(1)
    assert not cores.group.can_begin
    cores.finish(0)
    assert cores.group.can_begin
    cores.begin(2)
    assert (cores.jobs(1), cores.jobs(2)) == ([0, 1, 2], [0])
    cores.finish(2)
    assert cores.jobs(2) == [0], "core 1 would keep core 2 waiting"
    cores.finish(1)
    assert cores.jobs(2) == [0, 1, 2]


def test_what_is_said_of_a_job_follows_it() -> None:
    cores = Cores()
    cores.begin(1)
    cores.finish(0)
    second, before = cores.begin(2), len(cores.sent)
    second.cancel()
    assert [(rank, type(message)) for rank, message in cores.sent[before:]] == [(0, Cancel)]
    before = len(cores.sent)
    cores.finish(1)
    got = [(rank, type(message)) for rank, message in cores.sent[before:]]
    assert got == [(1, Job), (1, Finish), (1, Cancel)]


def test_the_members_of_a_core_begin_together() -> None:
    cores = Cores(members=2)
    cores.begin(1)
    cores.finish(1)
    assert not cores.group.can_begin
    cores.finish(0)
    cores.begin(2)
    assert cores.jobs(2) == [0, 1]


def test_no_core_is_free_before_the_result_is_known_where_only_the_run_can_tell() -> None:
    for more in ({"stop": StopRule("residual", residual=0.1)}, {"keep": True}):
        cores = Cores()
        cores.begin(1, **more)
        assert not [message for _, message in cores.sent if isinstance(message, Finish)]


def test_the_time_of_sampling_begins_when_the_core_of_the_result_is_free() -> None:
    cores = Cores()
    cores.begin(1)
    cores.finish(0)
    second = cores.begin(2)
    for rank in (1, 2):
        cores.finish(rank)
    began = second._has_begun[DECIDING]
    job = next(job for _, job in cores.sent if isinstance(job, Job) and job.seed == 2)
    for hit in PLAN.hits[:2]:
        latent = Latent("float32", (1,), b"0000")
        at = began + hit.round
        landed = Landed(
            number=job.number, core=hit.core, index=hit.index, round=hit.round, latent=latent, at=at
        )
        second.hear(landed)
    for rank in range(3):
        cores.finish(rank, 2)
    assert second.result().sample_seconds == pytest.approx(PLAN.hits[1].round)


def test_a_job_that_is_cut_off_while_torch_compiles_leaves_its_cores_free() -> None:
    cores = Cores(compile={"mode": "default"})
    session = cores.begin(1)
    assert [(rank, type(message)) for rank, message in cores.sent] == [
        (rank, Compile) for rank in range(3)
    ]
    session.cancel()
    for rank in range(3):
        cores.group.hear(rank, CoreCompiled(core=rank, seconds=1.0, encoded=0.0))
    assert session.over
    assert cores.group.can_begin
    assert cores.jobs(1) == []


def test_nothing_is_done_beside_after_what_has_failed() -> None:
    done, go = list[str](), threading.Event()

    def fail() -> None:
        go.wait(HANG)
        raise OSError("full")

    with OutputThread() as outputs:
        first, second = outputs.submit(fail), outputs.submit(lambda: done.append("second"))
        outputs.check()
        go.set()
        until(lambda: first.done() and second.done(), "both are over")
        assert outputs.bell.poll(HANG)
        with pytest.raises(OSError, match="full"):
            outputs.check()
    assert done == []


def test_leaving_waits_for_what_is_done_beside_and_forgets_the_rest() -> None:
    done, began = list[str](), threading.Event()

    def slow() -> None:
        began.set()
        threading.Event().wait(0.05)
        done.append("slow")

    with OutputThread() as outputs:
        outputs.submit(slow)
        outputs.submit(lambda: done.append("never"))
        assert began.wait(HANG)
    assert done == ["slow"]
