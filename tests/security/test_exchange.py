"""What processes send each other is unpickled only if another process of the run has made it."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from chords_cli.engine import start
from chords_cli.engine.exchange.meeting import Exchange
from chords_cli.engine.exchange.network import INTERFACE, NCCL_INTERFACE
from chords_cli.engine.exchange.rendezvous import FileRendezvous
from chords_cli.engine.exchange.seal import ForgedError, Seal
from chords_cli.engine.start import StartMethod, preload
from chords_cli.errors import ChordsError
from chords_cli.tools import SECRET, TOKENS
from tests.waiting import HANG

KEY = b"k" * 32


def test_a_sealed_message_opens_once_in_its_turn_and_unchanged():
    ours, theirs = Seal(KEY, b"a"), Seal(KEY, b"a")
    first, second = ours.close(b"1"), ours.close(b"2")
    assert [theirs.open(first), theirs.open(second)] == [b"1", b"2"]
    with pytest.raises(ForgedError):
        Seal(KEY, b"a").open(second)
    for wrong in (first, b"", second[:-1] + b"3", b"\0" * 40):
        fresh = Seal(KEY, b"a")
        fresh.open(first)
        with pytest.raises(ForgedError):
            fresh.open(wrong)
    for other in (Seal(KEY, b"b"), Seal(b"other", b"a")):
        with pytest.raises(ForgedError):
            other.open(first)


def share(core: int, folder: Path, key: bytes, told: Any) -> None:
    """One of two processes: core 0 shares, core 1 receives."""
    exchange = Exchange(core, 2, folder / "rendezvous", timeout=HANG, key=key)
    exchange.open()
    try:
        told.put((core, exchange.share({"text": "a cat"} if core == 0 else None, 2)))
    except ChordsError as error:
        told.put((core, error.message))
    exchange.close()


@pytest.mark.parametrize("key", [KEY, b"guessed"])
def test_conditions_that_core_0_has_not_sealed_are_not_unpickled(key, tmp_path):
    preload("FluxPipeline")
    context = StartMethod("fork").context
    told: Any = context.SimpleQueue()
    keys = [key, KEY]
    processes = [
        context.Process(target=share, args=(core, tmp_path, keys[core], told)) for core in (0, 1)
    ]
    with start.starting():
        for process in processes:
            process.start()
    results = dict(told.get() for _ in processes)
    for process in processes:
        process.join()
    if key == KEY:
        assert results == {0: {"text": "a cat"}, 1: {"text": "a cat"}}
    else:
        assert results[1] == "core 1 received what core 0 of this run did not send"


def test_a_key_is_not_shown():
    from chords_cli.engine.messages import WorkerSpec

    assert WorkerSpec.__dataclass_fields__["key"].repr is False
    assert pickle.dumps(KEY)  # and travels by pipe


def test_processes_that_start_get_no_secret(monkeypatch):
    monkeypatch.setenv(SECRET, "s")
    for name in TOKENS:
        monkeypatch.setenv(name, "hf_x")
    with start.starting():
        assert {SECRET, *TOKENS} & os.environ.keys() == set()
        assert os.environ["HF_HUB_OFFLINE"] == os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ[SECRET] == "s"
    assert os.environ["HF_TOKEN"] == "hf_x"


@pytest.mark.parametrize(("asked", "chosen"), [(None, "lo"), ("", "lo"), ("eth7,eth8", "eth7")])
def test_gloo_and_nccl_listen_on_the_loopback_unless_another_is_named(
    asked, chosen, monkeypatch, tmp_path
):
    monkeypatch.delenv(NCCL_INTERFACE, raising=False)
    monkeypatch.delenv(INTERFACE, raising=False)
    if asked is not None:
        monkeypatch.setenv(INTERFACE, asked)
    FileRendezvous(tmp_path).arguments(None)  # type: ignore[arg-type]
    assert os.environ[INTERFACE] == (asked or "lo")
    assert os.environ.pop(NCCL_INTERFACE) == f"={chosen}"
