"""A line between two processes: bounded, in order, and empty again however a job ends."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from chords_cli.engine.exchange.context import naming_its_members
from chords_cli.engine.exchange.line import Line, NonFiniteError
from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.exchange.staging import HostStaging, Staging
from chords_cli.engine.exchange.transport import SharedMemoryReceiver, SharedMemorySender
from chords_cli.engine.messages import LostNeighbourError, WaitedInVainError
from chords_cli.engine.start import StartMethod, ask, preload
from chords_cli.errors import ChordsError
from tests.waiting import HANG

ROUNDS = list(range(30))
LIKE = torch.zeros(1, 3, 5)

End = Callable[[Line], Any]


def latent(round: int) -> torch.Tensor:
    return torch.full_like(LIKE, round + 0.5)


def send(line: Line, rounds: list[int]) -> int:
    """Sends so many latents and tells how many it has held on to at most."""
    line.expect(LIKE)
    held = 0
    for round in rounds:
        line.send(round, latent(round))
        held = max(held, len(line._underway))
    return held


def receive(line: Line, rounds: list[int]) -> list[bool]:
    """Receives so many latents and tells which of them are those that were sent."""
    line.expect(LIKE)
    return [torch.equal(line.receive(round, LIKE), latent(round)) for round in rounds]


def send_all(line: Line) -> int:
    return send(line, ROUNDS)


def send_three(line: Line) -> int:
    return send(line, ROUNDS[:3])


def receive_all(line: Line) -> list[bool]:
    return receive(line, ROUNDS)


def receive_two(line: Line) -> list[bool]:
    return receive(line, ROUNDS[:2])


def receive_to_the_end(line: Line) -> tuple[int, bool]:
    """Receives until the slower core has ended, and what comes then."""
    line.expect(LIKE)
    taken = 0
    while not line.ended:
        arrived = line.receive(ROUNDS[taken], LIKE)
        taken += 1
    return taken, bool(torch.equal(line.receive(ROUNDS[taken], LIKE), 0 * arrived))


def receive_slowly(line: Line) -> list[bool]:
    """Looks at each latent only when the sender has had time to send as many as it may."""
    line.expect(LIKE)
    right = []
    for round in ROUNDS[:8]:
        arrived = line.receive(round, LIKE)
        time.sleep(0.02)
        right.append(torch.equal(arrived, latent(round)))
    return right


def send_one(line: Line, size: int) -> None:
    like = torch.zeros(1, size)
    line.expect(like)
    line.send(0, like + size)


def receive_one(line: Line, size: int) -> bool:
    like = torch.zeros(1, size)
    line.expect(like)
    return torch.equal(line.receive(0, like), like + size)


def of_size(size: int) -> tuple[End, End]:
    """A job with latents of another size."""
    return partial(send_one, size=size), partial(receive_one, size=size)


class Alone(HostStaging):
    """The host's, whose neighbours see no memory of its own: as on different hosts."""

    shares = False


class Late(Alone):
    """Posts in a thread and long after a latent was sent, as where a device is behind its host."""

    def __init__(self) -> None:
        super().__init__()
        self._posters = ThreadPoolExecutor(1)

    def send(
        self, latent: torch.Tensor, room: torch.Tensor, post: Callable[[], Any]
    ) -> Callable[[], Any]:
        def wait_and_post() -> Any:
            time.sleep(0.01)
            room.copy_(latent)
            return post()

        return self._posters.submit(wait_and_post).result


STAGINGS = {"shared": (HostStaging, HostStaging), "gloo": (Alone, Alone)}
STAGINGS |= {"unseen": (HostStaging, Alone), "unshown": (Alone, HostStaging)}
STAGINGS |= {"late": (Late, Late)}


def with_room(end: End, size: int, line: Line) -> Any:
    """Has memory ready for latents of that size before any is sent."""
    line._exchange.make_room(torch.zeros(1, size), held=3)
    line._exchange.staging.finish()
    return end(line)


def serve(core: int, folder: Path, jobs: list[End], told: Any, staging: type[Staging]) -> None:
    """One process: a job after the other on the same exchange."""
    torch.set_num_threads(1)
    exchange = Exchange(core, 2, folder / "rendezvous", HANG, staging())
    exchange.open()
    results = []
    for job in jobs:
        line = Line(exchange, [] if core else ROUNDS, ROUNDS if core else [])
        results.append(job(line))
        line.close()
    shared = isinstance(
        exchange.receiver if core else exchange.sender, SharedMemoryReceiver | SharedMemorySender
    )
    exchange.close()
    told.put((core, results, shared))


@pytest.fixture(params=list(STAGINGS))
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., list[tuple[Any, Any]]]:
    """Runs jobs, each an end that sends and one that receives; returns what both ends tell."""
    stagings = STAGINGS[request.param]

    def run_jobs(*jobs: tuple[End, End]) -> list[tuple[Any, Any]]:
        preload("FluxPipeline")
        context = StartMethod("fork").context
        told = context.SimpleQueue()
        processes = [
            context.Process(
                target=serve,
                args=(core, tmp_path, [ends[core] for ends in jobs], told, stagings[core]),
            )
            for core in range(2)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(HANG)
        assert [process.exitcode for process in processes] == [0, 0]
        heard = [told.get() for _ in processes]
        assert {shared for *_, shared in heard} == {request.param == "shared"}
        results = {core: found for core, found, _ in heard}
        return list(zip(results[0], results[1], strict=True))

    return run_jobs


def can_read_tensors() -> bool:
    return "torch.utils.serialization.config" in sys.modules


def test_a_core_imports_nothing_when_the_prompt_of_core_0_arrives() -> None:
    preload("FluxPipeline")
    assert ask(can_read_tensors, HANG)


def test_latents_arrive_in_order_and_few_are_held(run) -> None:
    [(held, right)] = run((send_all, receive_all))
    assert held <= 8
    assert right == [True] * len(ROUNDS)


def test_a_core_that_stops_frees_the_faster_one_that_waits_for_it(run) -> None:
    stopped, after = run((send_three, receive_to_the_end), (send_all, receive_all))
    assert stopped[1] == (4, True)
    assert after[1] == [True] * len(ROUNDS)


def test_a_core_that_stops_takes_what_the_slower_one_has_sent(run) -> None:
    stopped, after = run((send_all, receive_two), (send_all, receive_all))
    assert stopped[1] == [True] * 2
    assert after[1] == [True] * len(ROUNDS)


def test_a_latent_lasts_until_the_next_one_is_received(run) -> None:
    slow, after = run((send_all, receive_slowly), (send_all, receive_all))
    assert slow[1] == [True] * 8
    assert after[1] == [True] * len(ROUNDS)


def test_latents_of_a_job_may_be_larger_or_smaller_than_those_before(run) -> None:
    told = run(of_size(3), of_size(5000), of_size(7), of_size(100_000), (send_all, receive_all))
    assert [right for _, right in told[:-1]] == [True] * 4
    assert told[-1][1] == [True] * len(ROUNDS)


@pytest.mark.parametrize("size", [3, 15, 100_000])
def test_latents_arrive_where_memory_was_made_ready_for_such_or_others(run, size: int) -> None:
    ends = partial(with_room, send_all, size), partial(with_room, receive_all, size)
    larger = of_size(5000)
    told = run(ends, larger, ends)
    assert [right for _, right in told] == [[True] * len(ROUNDS), True, [True] * len(ROUNDS)]


@pytest.mark.parametrize("late", [False, True])
def test_a_latent_that_is_not_finite_is_not_sent_but_raised(tmp_path: Path, late: bool) -> None:
    exchange = Exchange(0, 2, tmp_path / "rendezvous", 3.0, Late() if late else Alone())
    line = Line(exchange, [0], [])
    line.expect(LIKE)

    def send_and_close() -> None:
        line.send(0, LIKE / 0.0)
        line.close()

    with pytest.raises(NonFiniteError) as caught:
        send_and_close()
    assert caught.value.round == 0
    with pytest.raises(NonFiniteError):
        line.check()


@pytest.mark.parametrize(
    ("said", "kind", "message", "hint"),
    [
        (
            "[/src/gloo/unbound_buffer.cc:81] Timed out waiting 3000ms for recv to complete",
            WaitedInVainError,
            "waited 3 s for core 1 in vain",
            "raise timeout if that core is slow",
        ),
        (
            "[/src/gloo/pair.cc:553] Connection closed by peer [127.0.0.1]:4711\nmore",
            LostNeighbourError,
            "the line to core 1 broke: Connection closed by peer [127.0.0.1]:4711",
            "run it again with CHORDS_DEBUG=1 to see more",
        ),
    ],
)
def test_errors_of_a_line_name_the_other_core(
    tmp_path: Path, said: str, kind: type[ChordsError], message: str, hint: str
) -> None:
    exchange = Exchange(0, 2, tmp_path / "rendezvous", timeout=3.0)
    with pytest.raises(ChordsError) as caught, exchange.naming(1):
        raise RuntimeError(said)
    assert (type(caught.value), caught.value.message, caught.value.hint) == (kind, message, hint)


def test_an_error_of_the_model_is_not_one_of_the_members_that_share_its_tokens(
    tmp_path: Path,
) -> None:
    exchange = Exchange(0, 2, tmp_path / "rendezvous", timeout=3.0, members=2)
    with pytest.raises(RuntimeError, match=r"^shapes do not match$"), naming_its_members(exchange):
        raise RuntimeError("shapes do not match")
