"""Labelled devices refuse what CUDA refuses, allow what it allows, and note where a host waits."""

import copy
import pickle
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from chords_cli.pipelines.solver import StockSolver
from tests.doubles.labelled_cuda import Cuda, labelled_cuda
from tests.doubles.labelled_devices import LabelledDevices

ONE, OTHER = torch.device("cuda:0"), torch.device("cuda:1")


@pytest.fixture(autouse=True)
def mode() -> Iterator[LabelledDevices]:
    with labelled_cuda() as entered:
        yield entered


@pytest.fixture
def here() -> Tensor:
    return torch.arange(4.0, device=ONE)


@pytest.fixture
def host() -> Tensor:
    return torch.arange(4.0)


def meets(first: str, second: str) -> str:
    return (
        "Expected all tensors to be on the same device, but found at least two devices, "
        f"{first} and {second}!"
    )


@pytest.mark.parametrize(
    "operation",
    [
        lambda here, host: here + host,
        lambda here, host: host * here,
        lambda here, host: here.add_(host),
        lambda here, host: host.add_(here),
        lambda here, host: torch.stack([here, host]),
        lambda here, host: here @ host,
        lambda here, host: torch.where(here > 1, here, host),
        lambda here, host: nn.functional.linear(here, host[None]),
        lambda here, host: here.gather(0, host.long()),
        lambda here, host: torch.equal(here, host),
    ],
)
def test_a_host_tensor_meets_no_device_tensor(
    operation: Callable[[Tensor, Tensor], object], here: Tensor, host: Tensor
) -> None:
    with pytest.raises(RuntimeError, match=meets("cuda:0", "cpu")):
        operation(here, host)


def test_two_devices_do_not_meet(here: Tensor) -> None:
    with pytest.raises(RuntimeError, match=meets("cuda:1", "cuda:0")):
        here + here.to(OTHER)


def test_a_host_scalar_meets_any_device(here: Tensor) -> None:
    scalar = torch.tensor(2.0)
    for made in (here * scalar, scalar * here, torch.where(here > 1, here, scalar)):
        assert made.device == ONE


def test_a_host_scalar_is_joined_with_no_device_tensor_and_holds_no_result(here: Tensor) -> None:
    for operation in (
        lambda: torch.stack([here[0], torch.tensor(2.0)]),
        lambda: torch.tensor(2.0).add_(here[0]),
    ):
        with pytest.raises(RuntimeError, match=meets("cuda:0", "cpu")):
            operation()


def test_a_device_scalar_meets_no_host_tensor(here: Tensor, host: Tensor) -> None:
    with pytest.raises(RuntimeError, match=meets("cuda:0", "cpu")):
        host * here[1]


def test_host_tensors_index_any_device(here: Tensor, host: Tensor) -> None:
    assert here[host.long()].device == ONE
    assert here[host > 1].device == ONE
    here[host.long()] = 1.0
    here[torch.tensor(1)] = host[0]


def test_a_devices_numbers_but_not_its_tensors_index_the_host(here: Tensor, host: Tensor) -> None:
    assert host[here[1].long()].device == torch.device("cpu")
    words = r"indices should be either on cpu or on the same device as the indexed tensor \(cpu\)"
    for index in (here.long(), here > 1):
        with pytest.raises(RuntimeError, match=words):
            host[index]


def test_numpy_refuses_a_device_tensor(here: Tensor) -> None:
    for read in (Tensor.numpy, np.asarray):
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            read(here)
    assert here.cpu().numpy().tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_host_generator_draws_no_numbers_of_a_device() -> None:
    noise = torch.Generator("cpu").manual_seed(0)
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
        torch.randn(3, generator=noise, device=ONE)


def test_gloo_carries_host_tensors_only(here: Tensor) -> None:
    with pytest.raises(RuntimeError, match="gloo carries host tensors"):
        torch.distributed.isend(here, 1)


def test_host_probes_do_not_meet_the_sigmas_of_a_grid_on_a_device() -> None:
    """The fault for which no wavefront ran on CUDA."""
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(4, device=ONE)
    solver = StockSolver(scheduler)
    solver.grid = scheduler.timesteps
    probe = torch.ones(1, 1, 1, 1)
    with pytest.raises(RuntimeError, match=meets("cuda:0", "cpu")):
        solver.jump(probe, probe, 0, 4)
    assert solver.jump(probe.to(ONE), probe.to(ONE), 0, 4).device == ONE


def test_a_tensor_tells_its_label(here: Tensor, host: Tensor) -> None:
    assert (here.device, here.is_cuda, here.is_cpu, here.get_device()) == (ONE, True, False, 0)
    assert (host.is_cuda, host.is_cpu, host.get_device()) == (False, True, -1)
    assert here.to(OTHER).device == host.to(OTHER).device == here.to(1).device == OTHER
    assert here.device == ONE
    assert here.to("meta").device == torch.device("meta")


def test_labels_follow_what_is_made_of_a_tensor(here: Tensor) -> None:
    made = (
        *(here[1:], here.view(2, 2), here.half(), here.clone(), torch.zeros_like(here)),
        *(here.unbind()[0], here.new_zeros(2), nn.Parameter(here), copy.deepcopy(here)),
        *(pickle.loads(pickle.dumps(here)), here.as_subclass(nn.Buffer)),
    )
    assert {one.device for one in made} == {ONE}


def test_a_module_and_its_state_move() -> None:
    layer = nn.BatchNorm1d(3).to(ONE)
    assert {one.device for one in layer.state_dict().values()} == {ONE}
    assert {one.device for one in layer.to("cpu").state_dict().values()} == {torch.device("cpu")}


def test_a_label_ends_with_its_tensor(here: Tensor) -> None:
    moved = here.to("cpu")
    moved[0] = 7.0
    assert here.tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda here: here[1].item(), "item"),
        (lambda here: here.tolist(), "tolist"),
        (lambda here: float(here[1]), "__float__"),
        (lambda here: bool(here[1]), "__bool__"),
        (lambda here: f"{here[1]:.1f}", "__format__"),
        (lambda here: torch.equal(here, here), "equal"),
        (lambda here: here[here > 1], "__getitem__"),
        (lambda here: here[[0, 2]], "__getitem__"),
        (lambda here: here.cpu(), "cpu"),
        (lambda here: here.to("cpu"), "to"),
        (lambda here: torch.empty(4).copy_(here), "copy_"),
        (lambda here: torch.empty(4).copy_(here, non_blocking=True), "copy_"),
        (lambda here: here.copy_(torch.ones(4)), "copy_"),
        (lambda here: torch.tensor([1.0], device=ONE), "tensor"),
        (lambda here: here.add_(here, alpha=here[1]), "a number for add_"),
        (lambda here: torch.cuda.synchronize(), "synchronize"),
        (lambda here: torch.cuda.Event().synchronize(), "Event.synchronize"),
        (lambda here: torch.cuda.current_stream().synchronize(), "Stream.synchronize"),
    ],
)
def test_where_a_host_waits_is_noted(
    read: Callable[[Tensor], object], what: str, mode: LabelledDevices, here: Tensor
) -> None:
    before = len(mode.synchronisations)
    read(here)
    (noted,) = mode.synchronisations[before:]
    assert noted.startswith(f"{what} at tests/unit/test_labelled_devices.py:")


@pytest.mark.parametrize(
    "work",
    [
        lambda here: here * 2 + here[1] - here[1:].sum(),
        lambda here: here.to(OTHER),
        lambda here: here.to("cpu", non_blocking=True),
        lambda here: torch.empty(4, pin_memory=True).copy_(here, non_blocking=True),
        lambda here: here.copy_(torch.ones(4), non_blocking=True),
        lambda here: torch.ones(4).to(ONE, non_blocking=True),
        lambda here: torch.full((2,), 3.0, device=ONE),
        lambda here: here.record_stream(torch.cuda.current_stream()),
    ],
)
def test_where_a_host_does_not_wait_nothing_is_noted(
    work: Callable[[Tensor], object], mode: LabelledDevices, here: Tensor
) -> None:
    work(here)
    assert mode.synchronisations == []


def test_a_place_inside_the_product_is_told(mode: LabelledDevices, here: Tensor) -> None:
    from chords_cli.engine.latents import pack

    pack(here)
    (noted,) = mode.synchronisations
    assert noted.startswith("to at chords_cli/engine/latents.py:")


def test_pinned_memory_is_remembered_though_there_is_none(here: Tensor, host: Tensor) -> None:
    pinned = torch.empty(4, pin_memory=True)
    assert pinned.is_pinned()
    assert pinned[1:].is_pinned()
    assert host.pin_memory().is_pinned()
    assert here.to("cpu", non_blocking=True).is_pinned()
    assert not host.is_pinned()
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        here.pin_memory()


def test_threads_are_labelled_too_and_each_begins_on_the_first_device(here: Tensor) -> None:
    torch.cuda.set_device(1)
    seen: list[object] = []

    def work() -> None:
        seen.extend([here.device, torch.zeros(1, device="cuda").device])
        with torch.cuda.stream(torch.cuda.Stream(OTHER)):
            seen.append(torch.zeros(1, device="cuda").device)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [ONE, ONE, OTHER]
    assert torch.zeros(1, device="cuda").device == OTHER


def test_torch_cuda_answers_as_a_machine_with_two_devices_would() -> None:
    cuda = torch.get_device_module("cuda:1")
    assert cuda.is_available()
    assert cuda.device_count() == 2
    assert cuda.mem_get_info("cuda:1") == (8 << 30, 16 << 30)
    assert cuda.max_memory_allocated(1) == 8 << 30
    assert cuda.Event(enable_timing=True).query()
    with cuda.stream(stream := cuda.Stream(device="cuda:1")):
        assert cuda.current_stream() is stream
    assert cuda.current_stream() is not stream
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        cuda.set_device(2)


def test_a_process_that_was_forked_badly_can_touch_no_device() -> None:
    with labelled_cuda(Cuda(bad_fork=True)):
        assert torch.cuda._is_in_bad_fork()
        with pytest.raises(RuntimeError, match="Cannot re-initialize CUDA in forked subprocess"):
            torch.cuda.set_device(0)


def test_all_is_as_before_outside() -> None:
    def changed() -> tuple[object, ...]:
        return Tensor.__reduce_ex__, Tensor.as_subclass, threading.Thread.start, torch.cuda.Stream

    before = changed()
    with labelled_cuda():
        assert changed()[2:] != before[2:]
    assert changed() == before
