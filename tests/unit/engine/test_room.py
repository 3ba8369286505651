"""Memory that the first rounds find ready: how much of it, from when, and that it is used."""

from types import SimpleNamespace

import pytest
import torch

from chords_cli.engine.exchange.allocator import memory_to_keep
from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.exchange.shared import HEADER, SLOTS, SharedReader, SharedWriter
from chords_cli.engine.exchange.staging import HostStaging
from chords_cli.engine.room import announce_latent, latents_held
from chords_cli.sampler.choice import plan

SIZE = 5000


def test_a_core_holds_the_predictions_that_the_slower_one_has_not_passed() -> None:
    wavefront = plan(steps=50, cores=4)
    first, second, *_, last = (latents_held(wavefront, core) for core in range(4))
    assert 0 < first < last < second
    short = wavefront.until(1)
    assert latents_held(short, 1) <= second


@pytest.mark.parametrize("algo", ["chords", "sequential"])
def test_no_memory_is_made_ready_for_few_latents(algo: str) -> None:
    other = plan(steps=50, cores=1 if algo == "sequential" else 4, algo=algo)
    assert latents_held(other, 0) == 0
    assert latents_held(plan(steps=50, cores=1), 0) == 0


@pytest.mark.parametrize("prepared", ["one", "several"])
def test_a_latent_is_announced_when_it_is_prepared(prepared: str) -> None:
    latent, ids, heard = torch.zeros(1, 3), torch.zeros(2), []
    answer = latent if prepared == "one" else (latent, ids)
    pipe = SimpleNamespace(prepare_latents=lambda *args, **kwargs: answer)
    announce_latent(pipe, heard.append)
    assert pipe.prepare_latents(1, height=8) is answer
    assert heard == [latent]


def test_what_prepares_no_latent_announces_none() -> None:
    heard: list[torch.Tensor] = []
    pipe = SimpleNamespace()
    announce_latent(pipe, heard.append)
    assert not hasattr(pipe, "prepare_latents")
    pipe.prepare_latents = lambda: None
    announce_latent(pipe, heard.append)
    assert pipe.prepare_latents() is None
    assert heard == []


def test_only_memory_that_stays_when_it_is_freed_is_made_ready() -> None:
    assert [piece.numel() for piece in memory_to_keep(SIZE, 3)] == [SIZE] * 3
    assert 0 < len(memory_to_keep(5 << 20, 1000)) * (20 << 20) < 256 << 20
    assert memory_to_keep(8 << 20, 3) == memory_to_keep(0, 3) == []


def test_the_first_latent_finds_its_memory_and_no_later_one_is_lost() -> None:
    writer, reader = SharedWriter(), SharedReader()
    assert reader.finds(writer.handshake())
    writer.reserve(SIZE)
    memory = writer._descriptor
    latents = [torch.full((SIZE,), float(number)) for number in range(SLOTS)]
    headers = [writer.write(latent)[1] for latent in latents]
    for size in (SIZE, 2 * SIZE):
        writer.reserve(size)  # of which nothing comes: these were not read yet
    assert {int(header[3]) for header in headers} == {memory} == {writer._descriptor}
    for header, latent in zip(headers, latents, strict=True):
        assert len(header) == HEADER
        assert torch.equal(reader.read(header, SIZE), latent)
    writer.close()


@pytest.mark.parametrize("shares", [True, False])
def test_room_is_made_once_and_only_in_memory_of_the_host(tmp_path, shares: bool) -> None:
    staging, tasks = HostStaging(), []
    staging.shares = shares
    staging.run_in_background = tasks.append
    exchange = Exchange(0, 2, tmp_path / "rendezvous", 1.0, staging)
    for _ in range(2):
        exchange.make_room(torch.zeros(1, SIZE), held=2)
    assert len(tasks) == int(shares)
    for touch in tasks:
        touch()
