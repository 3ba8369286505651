"""Streams and threads on a labelled device: what waits, what fails and what is kept."""

import threading
from collections.abc import Iterator

import pytest
import torch

from chords_cli.engine.exchange.staging import HostStaging, StreamStaging, staging_for
from tests.doubles.labelled_cuda import labelled_cuda

DEVICE = torch.device("cuda:1")


@pytest.fixture
def staging() -> Iterator[StreamStaging]:
    with labelled_cuda():
        made = staging_for(DEVICE)
        assert isinstance(made, StreamStaging)
        yield made


def test_the_host_and_devices_of_one_queue_need_no_streams() -> None:
    assert isinstance(staging_for(torch.device("cpu")), HostStaging)
    assert isinstance(staging_for(torch.device("mps")), HostStaging)


def test_a_latent_leaves_through_pinned_memory_and_is_posted_by_a_thread(
    staging: StreamStaging,
) -> None:
    latent, posted = torch.arange(4.0, device=DEVICE), []
    parcel = staging.parcel(5)
    assert parcel.is_pinned()

    def post() -> str:
        posted.append((threading.current_thread().name, parcel[:4].tolist()))
        return "work"

    assert staging.send(latent, parcel[:4], post)() == "work"
    ((thread, numbers),) = posted
    assert thread.startswith("chords-post")
    assert numbers == [0.0, 1.0, 2.0, 3.0]


def test_a_latent_arrives_on_the_device(staging: StreamStaging) -> None:
    parcel = staging.parcel(4).copy_(torch.arange(4.0))
    arrived = staging.receive(parcel, like=torch.zeros(4, device=DEVICE))
    assert arrived.device == DEVICE
    assert arrived.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_report_is_made_on_the_device_and_told_on_the_host(staging: StreamStaging) -> None:
    latent, told = torch.arange(4.0, device=DEVICE), []
    staging.report(latent.sum, told.append)
    staging.report(None, told.append)
    staging.finish()
    total, nothing = told
    assert total.device == torch.device("cpu")
    assert float(total) == 6.0
    assert nothing is None


def test_reports_come_in_order_and_none_is_left_when_all_are_finished(
    staging: StreamStaging,
) -> None:
    told: list[int] = []
    for number in range(20):
        staging.report(None, lambda _, number=number: told.append(number))
    staging.finish()
    assert told == list(range(20))


def test_what_a_report_raises_is_raised_when_reports_are_finished(staging: StreamStaging) -> None:
    def fail(_: object) -> None:
        raise ValueError("not finite")

    staging.report(None, fail)
    with pytest.raises(ValueError, match="not finite"):
        staging.finish()


def test_what_a_post_raises_is_raised_for_who_waits_for_it(staging: StreamStaging) -> None:
    def fail() -> None:
        raise ConnectionError("the line broke")

    wait = staging.send(torch.zeros(4, device=DEVICE), staging.parcel(4), fail)
    with pytest.raises(ConnectionError, match="the line broke"):
        wait()


def test_the_host_makes_reports_in_a_thread_and_keeps_its_parcels() -> None:
    staging, told = HostStaging(), list[object]()
    staging.report(lambda: torch.ones(2).sum(), told.append)
    staging.report(None, lambda _: told.append(threading.current_thread().name))
    staging.finish()
    assert told == [torch.tensor(2.0), "chords-report_0"]
    parcel = staging.parcel(4)
    staging.release(parcel)
    assert staging.parcel(4) is parcel
    staging.release(parcel)
    assert staging.parcel(5).shape == (5,)


def test_what_is_done_beside_the_loop_is_waited_for_and_raises_what_it_raised() -> None:
    staging, done = HostStaging(), list[int]()
    staging.run_in_background(lambda: done.append(1)).result()
    assert done == [1]

    def fail() -> None:
        raise ValueError("not linear")

    staging.run_in_background(fail)
    with pytest.raises(ValueError, match="not linear"):
        staging.finish()
