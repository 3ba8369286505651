"""Devices as torch tells them, faked where this machine has none."""

from types import SimpleNamespace

import pytest
import torch

from chords_cli.cli.options import as_option
from chords_cli.engine import devices
from chords_cli.engine.devices import Memory, checked_devices, find_devices, measure_devices
from chords_cli.errors import UsageError


def fake(monkeypatch: pytest.MonkeyPatch, kind: str | None, count: int = 1) -> None:
    """Torch with `count` accelerators of `kind`."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: kind is not None)
    current = SimpleNamespace(type=kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: current)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("kind", "count", "found"),
    [
        (None, 0, []),
        ("cuda", 3, ["cuda:0", "cuda:1", "cuda:2"]),
        ("xpu", 2, ["xpu:0", "xpu:1"]),
        ("mps", 1, ["mps"]),
        ("hpu", 8, []),
    ],
)
def test_accelerators_are_found_by_the_names_that_torch_writes(
    kind: str | None, count: int, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(monkeypatch, kind, count)
    assert find_devices() == found


def test_every_device_tells_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"cuda:0": (20, 24), "cuda:1": (70, 80)}
    module = SimpleNamespace(
        mem_get_info=lambda device: sizes[str(device)],
        get_device_name=lambda device: f"GPU of {sizes[str(device)][1]}",
        recommended_max_memory=lambda: 18,
    )
    monkeypatch.setattr(torch, "get_device_module", lambda device: module)
    assert measure_devices(["cuda:0", "cuda:1", "mps"]) == {
        "cuda:0": Memory(title="GPU of 24", total=24, free=20),
        "cuda:1": Memory(title="GPU of 80", total=80, free=70),
        "mps": Memory(title="Apple GPU", total=18),
    }


def test_the_hosts_memory_is_told_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "ask", lambda question: pytest.fail("asked a process"))
    (memory,) = devices.device_memory(("cpu", "cpu")).values()
    assert memory.title == "host"
    assert memory.total is not None
    assert memory.total > (memory.free or 0) > 0


@pytest.mark.parametrize(
    ("requested", "used"),
    [
        ((), ("cuda:0", "cuda:1")),
        (("cuda",), ("cuda:0",)),
        (("cuda:1", "cuda:0", "cuda:1"), ("cuda:1", "cuda:0")),
        (("cuda:0", "cpu"), ("cuda:0", "cpu")),
    ],
)
def test_devices_are_used_as_they_are_named(
    requested: tuple[str, ...], used: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "available_devices", lambda: ("cuda:0", "cuda:1"))
    assert checked_devices(requested) == used


@pytest.mark.parametrize(
    ("device", "message", "hint"),
    [
        ("cuda:2", "device cuda:2 is not on this machine, which has cuda:0, cuda:1", "cuda:0,"),
        ("xpu", "device xpu is not on this machine, which has cuda:0, cuda:1", "cuda:0,cuda:1"),
        ("mps", "device mps is not on this machine, which has cuda:0, cuda:1", "cuda:0,cuda:1"),
        ("mps:1", "device mps:1 does not exist: mps is one device", "try --devices mps"),
        ("npu:0", "device 'npu:0' is not known", "--devices cuda:0,cuda:1"),
        ("meta", "device 'meta' is not known", "write --devices cpu"),
        ("cpu:1", "device 'cpu:1' is not known", "write --devices cpu"),
        ("", "device '' is not known", "write --devices cpu"),
    ],
)
def test_a_device_that_cannot_work_is_refused_by_name(
    device: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "available_devices", lambda: ("cuda:0", "cuda:1"))
    with pytest.raises(UsageError) as caught:
        checked_devices((device,))
    assert caught.value.spelled(as_option)[0] == message
    assert hint in caught.value.spelled(as_option)[1]
