"""What `torch.cuda` answers a process of labelled devices: as much as a core asks.

Streams and events take every call and order nothing, for the host works off everything in order;
what makes the host wait is noted by the mode (`LabelledDevices.synchronisations`). As on CUDA the
current device belongs to a thread and is 0 at first, and a process that was forked badly can touch
no device.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist

from tests.doubles.labelled_devices import LabelledDevices, labelled_devices
from tests.doubles.labelled_tensors import HOST, label

GB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Cuda:
    """The devices of a machine.

    Attributes:
        count: How many there are.
        free: Bytes that are free on each; of each `total`.
        bad_fork: Whether this process was forked from one that had touched CUDA.
    """

    count: int = 2
    free: int = 8 * GB
    total: int = 16 * GB
    bad_fork: bool = False


@contextmanager
def labelled_cuda(cuda: Cuda | None = None) -> Iterator[LabelledDevices]:
    """Labelled devices, a `torch.cuda` that has them, and a gloo that knows them."""
    with labelled_devices() as mode, ExitStack() as stack:
        for name, answer in _Answers(cuda or Cuda(), mode).all().items():
            stack.enter_context(patch.object(torch.cuda, name, answer))
        for name in ("send", "isend", "recv", "irecv"):
            stack.enter_context(patch.object(dist, name, _from_host(getattr(dist, name))))
        yield mode


def _from_host(stock: Callable[..., Any]) -> Callable[..., Any]:
    """One of gloo's ways between processes, which reads a tensor's address whatever it is on."""

    def carry(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if label(tensor) != HOST:
            raise RuntimeError(f"gloo carries host tensors, this one lies on {label(tensor)}")
        return stock(tensor, *args, **kwargs)

    return carry


class _Stream:
    """`torch.cuda.Stream`."""

    def __init__(self, mode: LabelledDevices, device: Any, priority: int = 0) -> None:
        self._mode, self.device, self.priority = mode, mode.numbered(device), priority
        self.cuda_stream = 0

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        self._mode.note_wait("Stream.synchronize")

    def wait_event(self, event: "_Event") -> None: ...

    def wait_stream(self, stream: "_Stream") -> None: ...

    def record_event(self, event: "_Event | None" = None) -> "_Event":
        return event or _Event(self._mode)


class _Event:
    """`torch.cuda.Event`."""

    def __init__(self, mode: LabelledDevices) -> None:
        self._mode = mode

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        self._mode.note_wait("Event.synchronize")

    def record(self, stream: _Stream | None = None) -> None: ...

    def wait(self, stream: _Stream | None = None) -> None: ...

    def elapsed_time(self, end: "_Event") -> float:
        return 0.0


class _Answers:
    """The names of `torch.cuda` that are replaced, each a method of its name."""

    def __init__(self, cuda: Cuda, mode: LabelledDevices) -> None:
        self._cuda, self._mode = cuda, mode
        self._thread = threading.local()

    def all(self) -> dict[str, Any]:
        """By the name in `torch.cuda`."""
        names = [name for name in vars(_Answers) if hasattr(torch.cuda, name)]
        return {name: getattr(self, name) for name in names if not name.startswith("__")}

    def is_available(self) -> bool:
        return self._cuda.count > 0

    def device_count(self) -> int:
        return self._cuda.count

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return self._cuda.bad_fork

    def set_device(self, device: Any) -> None:
        self._mode.current = self._there(device)

    def current_device(self) -> int:
        return self._mode.current.index

    @contextmanager
    def device(self, device: Any) -> Iterator[None]:
        before, self._mode.current = self._mode.current, self._there(device)
        try:
            yield
        finally:
            self._mode.current = before

    def get_device_properties(self, device: Any = None) -> SimpleNamespace:
        self._there(device)
        return SimpleNamespace(
            name="a labelled device",
            total_memory=self._cuda.total,
            major=9,
            minor=0,
            multi_processor_count=132,
        )

    def get_device_capability(self, device: Any = None) -> tuple[int, int]:
        return 9, 0

    def get_device_name(self, device: Any = None) -> str:
        return str(self.get_device_properties(device).name)

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        self._there(device)
        return self._cuda.free, self._cuda.total

    def max_memory_allocated(self, device: Any = None) -> int:
        self._there(device)
        return self._cuda.total - self._cuda.free

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        self._there(device)

    def synchronize(self, device: Any = None) -> None:
        self._there(device)
        self._mode.note_wait("synchronize")

    def Stream(self, device: Any = None, priority: int = 0) -> _Stream:  # noqa: N802  torch's name
        return _Stream(self._mode, self._there(device), priority)

    def Event(self, **options: bool) -> _Event:  # noqa: N802  torch's name
        return _Event(self._mode)

    def current_stream(self, device: Any = None) -> _Stream:
        there = self._there(device)
        return self._current_streams().setdefault(there, _Stream(self._mode, there))

    @contextmanager
    def stream(self, stream: _Stream | None) -> Iterator[None]:
        """The stream's device is the current one inside the block, as on CUDA."""
        if stream is None:
            yield
            return
        streams, shown = self._current_streams(), self.current_stream(stream.device)
        streams[stream.device] = stream
        try:
            with self.device(stream.device):
                yield
        finally:
            streams[stream.device] = shown

    def _current_streams(self) -> dict[torch.device, _Stream]:
        """This thread's current stream of every device."""
        return vars(self._thread).setdefault("streams", {})

    def _there(self, device: Any) -> torch.device:
        """The device that is meant, in a process that may touch it."""
        if self._cuda.bad_fork:
            raise RuntimeError(
                "Cannot re-initialize CUDA in forked subprocess. To use CUDA with "
                "multiprocessing, you must use the 'spawn' start method"
            )
        meant = self._mode.numbered(device)
        if meant.type != "cuda":
            raise ValueError(f"Expected a cuda device, but got: {meant}")
        if meant.index >= self._cuda.count:
            raise RuntimeError("CUDA error: invalid device ordinal")
        return meant
