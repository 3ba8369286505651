"""Whom workers' trouble is blamed on, without a process."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any

import pytest

from chords_cli.engine.messages import (
    Alive,
    Cancel,
    Failed,
    LostNeighbourError,
    WaitedInVainError,
)
from chords_cli.engine.processes import Worker, Workers
from chords_cli.engine.watch import blame
from chords_cli.engine.watch.pulse import PoolPipe
from chords_cli.engine.watch.silences import Silences
from chords_cli.errors import ChordsError
from tests.waiting import HANG


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Workers, list[Any]]]:
    """Two workers that the system still calls alive, and their ends of the pipes."""
    monkeypatch.setattr(blame, "_BLAME_SECONDS", 0.1)
    found, theirs = Workers(), list[Any]()
    for core in range(2):
        (ours, end), (sentinel, lifeline) = Pipe(), Pipe()
        process: Any = SimpleNamespace(
            sentinel=sentinel, exitcode=None, is_alive=lambda: True, join=lambda timeout: None
        )
        spec: Any = SimpleNamespace(
            process=core,
            group=0,
            name=f"core {core}",
            device="cpu",
            place="cpu",
            log="/nowhere",
            timeout=HANG,
        )
        found._workers.append(Worker(spec, process, ours, lifeline))
        theirs.append(end)
    yield found, theirs
    shutil.rmtree(found.folder)


def lost(message: str) -> Failed:
    """What core 1 says when its neighbour's line is gone."""
    return Failed(core=1, error=LostNeighbourError(message, "wait"), details="")


def test_a_core_that_hung_up_is_blamed_before_its_neighbour_who_lost_it(
    workers: tuple[Workers, list[Any]],
) -> None:
    found, (first, second) = workers
    second.send(lost("core 1 on cpu: the line to core 0 broke"))
    first.close()
    with pytest.raises(
        ChordsError, match=r"(?m)^core 0 on cpu died while starting: it closed its connection$"
    ):
        next(found.messages())


def test_a_core_that_lost_its_neighbour_says_so_itself_where_nobody_else_is_the_cause(
    workers: tuple[Workers, list[Any]],
) -> None:
    found, (_first, second) = workers
    second.send(lost("core 1 on cpu: not all cores came"))
    with pytest.raises(ChordsError, match=r"(?m)^core 1 on cpu: not all cores came$") as caught:
        next(found.messages())
    assert caught.value.hint == "wait"


def test_a_core_without_a_sign_of_life_is_given_up_while_others_talk(
    workers: tuple[Workers, list[Any]],
) -> None:
    found, (first, second) = workers
    second.send(Alive(1))
    first.send(Cancel(1))
    messages = found.messages()
    assert next(messages) == (0, Cancel(1))
    found._workers[1].spec.timeout = 0.1
    with pytest.raises(
        ChordsError, match=r"(?m)^core 1 on cpu hangs: no sign of life for 0.1 s while starting$"
    ):
        next(messages)


def test_a_process_that_has_not_begun_has_the_default_time(
    workers: tuple[Workers, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blame, "DEFAULT_TIMEOUT", 0.1)
    found, _ = workers
    for worker in found._workers:
        worker.spec.timeout = 0.01
    with pytest.raises(
        ChordsError, match=r"(?m)^core 0 on cpu hangs: no sign of life for 0.1 s while starting$"
    ):
        next(found.messages())


def test_a_core_that_waits_for_the_pool_is_alive() -> None:
    ours, theirs = Pipe()
    pipe = PoolPipe(theirs)
    with pipe.waiting():
        pipe.beat(core=3, timeout=0.1)
        heard = [ours.recv() for _ in range(3)]
    assert heard == [Alive(3, waits=True, turns=1, doing="starting")] * 3
    theirs.close()


def test_a_process_that_says_nothing_is_blamed_and_not_those_that_wait_for_it() -> None:
    silences, limits = Silences([0, 1, 2]), {0: 8.0, 1: 8.0, 2: 8.0}
    for _ in range(9):
        silences.pass_by(1.0)
        for rank in (0, 1):
            silences.end(rank, Alive(rank, works=False))
    assert silences.culprit(limits) == silences.mute(limits) == 2


def test_a_process_that_is_there_and_does_nothing_hangs_where_nobody_was_stopped() -> None:
    silences, limits = Silences([0, 1]), {0: 8.0, 1: 8.0}
    for _ in range(8):
        silences.pass_by(1.0)
        silences.end(0, Alive(0))
        silences.end(1, Alive(1, works=False))
    assert silences.culprit(limits) is None
    silences.pass_by(1.0)
    assert (silences.culprit(limits), silences.mute(limits)) == (1, None)


def _told(rank: int, turns: int, doing: str = "decoding", *, waits: bool = False) -> Alive:
    return Alive(rank, works=True, waits=waits, turns=turns, doing=doing)


def test_a_process_that_works_and_gets_nowhere_is_stuck_but_not_one_that_waits_or_gets_on() -> None:
    silences, limits = Silences([0, 1, 2]), dict.fromkeys(range(3), 8.0)
    for second in range(17):
        assert silences.stuck(limits) is None
        silences.pass_by(0.5 if second else 0.0)
        silences.end(0, _told(0, turns=second))
        silences.end(1, _told(1, turns=1))
        silences.end(2, _told(2, turns=1, waits=True))
    silences.pass_by(0.1)
    assert silences.stuck(limits) == silences.stillest(limits) == 1
    assert silences.culprit(limits) is None


@pytest.mark.parametrize(
    ("limit", "slowest", "allowed"),
    [
        (600.0, 1.0, 60.0),  # a tenth of what anything may take
        (600.0, 100.0, 1000.0),  # ten times the slowest
        (100.0, 1.0, 30.0),  # never less than that
        (8.0, 0.0, 8.0),  # but where the user wants to know it sooner
        (6000.0, 1.0, 600.0),
    ],
)
def test_how_long_a_piece_may_take_follows_from_the_slowest_of_its_kind(
    limit: float, slowest: float, allowed: float
) -> None:
    silences = Silences([0, 1])
    silences.end(1, _told(1, 1, "taking a step"))
    silences.pass_by(slowest)
    silences.end(1, _told(1, 2, "taking a step"))  # a core knows what it takes from another one
    silences.end(0, _told(0, 2, "taking a step"))
    silences.pass_by(allowed)
    assert silences.stuck({0: limit, 1: limit}) is None
    silences.forget()
    silences.end(0, _told(0, 2, "taking a step"))
    silences.pass_by(allowed + 0.1)
    silences.end(1, _told(1, 3, "taking a step"))
    assert silences.stuck({0: limit, 1: limit}) == 0


def test_work_that_is_done_for_the_first_time_has_the_whole_timeout_or_more() -> None:
    silences, limits = Silences([0]), {0: 600.0}
    silences.end(0, _told(0, 1, "taking a step"))
    silences.pass_by(100.0)
    silences.end(0, _told(0, 2, "decoding"))
    silences.pass_by(1000.0)
    assert silences.stuck(limits) is None
    silences.pass_by(0.1)
    assert silences.stuck(limits) == 0


def test_compiling_may_take_long_while_other_processes_do_the_work() -> None:
    silences, limits = Silences([0]), {0: 8.0}
    silences.end(0, _told(0, 1, "compiling"))
    for _ in range(60):
        silences.pass_by(60.0)
        assert silences.culprit(limits) is silences.stuck(limits) is None
        silences.end(0, Alive(0, works=False, turns=1, doing="compiling"))
    silences.pass_by(0.1)
    assert silences.culprit(limits) == silences.stuck(limits) == 0
    silences.end(0, _told(0, 2, "taking a step"))
    silences.pass_by(30.1)  # what compiling took tells nothing of steps
    assert silences.stuck(limits) == 0


def test_a_neighbour_that_waits_in_vain_for_one_that_is_stuck_has_it_named(
    workers: tuple[Workers, list[Any]],
) -> None:
    found, _ = workers
    waited = WaitedInVainError("core 1 on cpu: waited 9 s for core 0 in vain", "wait")
    found.watch.silences = Silences([0, 1])
    for seconds in (0.0, HANG):
        found.watch.silences.pass_by(seconds)
        found.watch.silences.end(0, _told(0, turns=1))
        found.watch.silences.end(1, _told(1, turns=1, waits=True))
    blamed = found.watch.blame(1, Failed(core=1, error=waited, details=""))
    assert blamed.message == f"core 0 on cpu is stuck: no progress for {HANG:g} s while decoding"


def test_neighbours_that_wait_in_vain_are_not_blamed_for_one_that_was_stopped(
    workers: tuple[Workers, list[Any]],
) -> None:
    found, _ = workers
    waited = WaitedInVainError("core 1 on cpu: waited 9 s for another member of core 0", "wait")
    failed = Failed(core=1, error=waited, details="")
    found.watch.silences = Silences([0, 1])
    found.watch.silences.end(0, _told(0, turns=1))
    assert found.watch.blame(1, failed) is waited
    found.watch.silences.pass_by(HANG)
    found.watch.silences.end(1, Alive(1, works=False))
    blamed = found.watch.blame(1, failed)
    assert blamed.message == f"core 0 on cpu hangs: no sign of life for {HANG:g} s while decoding"


def test_cores_that_are_not_ready_in_time_are_named_by_those_that_waited_for_them(
    workers: tuple[Workers, list[Any]],
) -> None:
    found, _ = workers
    waited = WaitedInVainError("core 1 on cpu: not all of 2 cores came within 9 s", "wait")
    found.watch.silences = Silences([0, 1])
    found.watch.silences.end(0, _told(0, 1, "loading"))
    found.watch.silences.end(1, _told(1, 1, "meeting the other cores"))
    blamed = found.watch.blame(1, Failed(core=1, error=waited, details=""))
    assert blamed.message == f"core 0 did not get ready within {HANG:g} s of the first"
    assert blamed.hint == "raise timeout if loading takes longer on some device"


def test_a_process_tells_at_once_what_it_begins_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PoolPipe, "_beat", lambda self, seconds: None)
    ours, theirs = Pipe()
    pipe = PoolPipe(theirs)
    pipe.beat(core=3, timeout=HANG)
    pipe.turn("loading")
    pipe.turn()
    pipe.turn("loading")
    pipe.turn("decoding")
    theirs.close()
    heard = []
    with suppress(EOFError):
        while True:
            heard.append(ours.recv())
    assert heard == [Alive(3, turns=1, doing="loading"), Alive(3, turns=4, doing="decoding")]


class Lock:
    """A lock that one thread holds at a time; before the first gets it, something happens."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens: list[Callable[[], object]] = [happens]

    def __enter__(self) -> None:
        if self._happens:
            self._happens.pop()()

    def __exit__(self, *raised: object) -> None:
        pass


def test_no_sign_of_life_comes_after_one_that_is_newer() -> None:
    sent = list[Alive]()

    def send(message: Alive) -> None:
        sent.append(message)
        if len(sent) == 2:
            raise BrokenPipeError

    wire: Any = SimpleNamespace(send=send, poll=None)
    pipe: Any = PoolPipe(wire)
    pipe.turn("loading")
    pipe._core, pipe._sending = 3, Lock(lambda: pipe.turn("decoding"))
    pipe._beat(0.0)
    assert [(message.turns, message.doing) for message in sent] == [(2, "decoding")] * 2


def test_work_goes_on_while_the_pipe_is_full() -> None:
    pipe: Any = PoolPipe(Pipe()[1])
    pipe.turn("taking a step")
    with pipe._sending:  # as long as somebody sends
        pipe.turn()
        with pipe.waiting():
            pipe.turn("taking a step")
    assert pipe.doing == "taking a step"
