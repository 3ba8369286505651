"""A second device for tests, without one: host tensors that carry a label.

Under `LabelledDevices`, `.to("cuda:0")`, `device="cuda:0"` and `module.to("cuda:0")` label tensors
instead of moving them, `.device`, `.is_cuda` and their like tell the label, and every operation
compares the labels of its tensors. All numbers are the host's, so outputs can be compared bit for
bit with those of a run without labels. `tests.doubles.labelled_cuda` adds what `torch.cuda`
answers.

What is refused, in CUDA's words:
    - tensors of two devices in one operation, be it two labels or a label and the host. As on CUDA
      a host scalar (0-dim) may meet any device, except where tensors are joined (`cat`, `stack`) or
      where it would have to hold the result; a device scalar may not meet a host tensor;
    - indexing a host tensor by a device's (a host tensor may index any device's);
    - `.numpy()` and `numpy.asarray` of a labelled tensor;
    - drawing a device's numbers from a host generator.

What is noted, in `synchronisations`: every place where the host would wait for a device, by what
waits and where, such as `item at chords_cli/sampler/core.py:92`. Of a library's own it is both
places: `bool at diffusers/a.py:3 from chords_cli/b.py:7`; of another thread than the main one, its
name too. Blocking copies between host and device count in either direction.

Labels belong to tensors, hold in every thread and are pickled. The mode itself holds in the thread
that enters it, and under `labelled_devices` in all that this one starts.

What it does not know: C++ code below torch's functions (fused kernels, `torch.distributed`), what a
device computes differently (numerics, autocast, generators on a device), its memory, the order of
work on streams (a host buffer that is read too early), and copies that a device makes of its own
accord. Tensor subclasses that hold further tensors (quantized weights) are not looked into.
"""

import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.doubles.labelled_rules import crosses, device_of, name_of, waits
from tests.doubles.labelled_tensors import (
    HOST,
    UNSEEN,
    is_labelled,
    is_pinned,
    label,
    pin,
    put,
    twin,
)

_PLAIN = frozenset((torch.device, torch._C._nn._parse_to, torch._has_compatible_shallow_copy_type))
"""Functions that read devices and make none."""

_MOVES = frozenset(
    (Tensor.to, Tensor.cuda, Tensor.cpu, Tensor.type_as, torch.as_tensor, torch.asarray)
)
"""Functions whose result lies where they are told, wherever their tensor does."""

_DEVICE = re.compile(r"(cpu|meta|cuda)(:\d+)?")

_OWN = ("torch/", "tests/doubles/labelled_")
"""Files of which no place is told."""


class LabelledDevices(TorchFunctionMode):
    """The mode of one process; see the module.

    Attributes:
        synchronisations: Where the host would have waited for a device, in order.
        devices: On which any tensor has ever lain.
    """

    def __init__(self) -> None:
        super().__init__()
        self.synchronisations: list[str] = []
        self.devices: set[torch.device] = set()
        self._thread = threading.local()

    @property
    def current(self) -> torch.device:
        """What `cuda` without a number means in this thread; `cuda:0` until it is set."""
        return getattr(self._thread, "current", torch.device("cuda", 0))

    @current.setter
    def current(self, device: torch.device) -> None:
        self._thread.current = device

    def numbered(self, device: torch.device | str | int | None) -> torch.device:
        """A device with its number, given as torch takes one; None is the current one."""
        if device is None:
            return self.current
        named = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
        return self.current if named == torch.device("cuda") else named

    def note_wait(self, what: str) -> None:
        """Notes that the host waits for a device here."""
        self.synchronisations.append(f"{what} {_place()}")

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _PLAIN:
            return func(*args, **kwargs)
        if answer := _ANSWERS.get(func):
            return answer(args[0])
        if func == Tensor.data.__set__:
            func(*args, **kwargs)
            return put(args[0], label(args[1]))
        for what in waits(func, args, kwargs):
            self.note_wait(what)
        if func is Tensor.copy_:
            return self._copied(*args, **kwargs)
        asked = self._asked(func, args, kwargs)
        if func in _MOVES and isinstance(args[0], Tensor):
            return self._moved(func, args, kwargs, asked)
        return self._computed(func, args, kwargs, asked)

    def _asked(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> torch.device | None:
        """The device that a call names; None without one."""
        if func is Tensor.cpu:
            return HOST
        numbers = [kwargs.get("device"), *(args[1:2] if func in _MOVES else ())]
        named = [value for value in (*args, *kwargs.values()) if _names_device(value)]
        named += [value for value in numbers if type(value) is int]
        if named or func is Tensor.cuda:
            return self.numbered(named[0] if named else None)
        return None

    def _computed(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        asked: torch.device | None,
    ) -> Any:
        """What an operation makes where its tensors lie, or where it is asked to."""
        device = asked or device_of(func, args, kwargs)
        if isinstance(kwargs.get("generator"), torch.Generator) and device.type == "cuda":
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        if asked or "pin_memory" in kwargs:
            made = func(*_on_host(args), **_on_host(kwargs))
        else:
            made = func(*args, **kwargs)
        self._put(made, device)
        return pin(made) if kwargs.get("pin_memory") else made

    def _moved(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        asked: torch.device | None,
    ) -> Tensor:
        """The same numbers under another label, in memory of their own."""
        source = args[0]
        args = (source, *(asked if type(one) is int else one for one in args[1:]))
        given = (*args[1:], *kwargs.values())
        other = next((value for value in given if isinstance(value, Tensor)), source)
        target = asked or label(other)
        plain = func in (Tensor.cuda, Tensor.cpu)  # changes no dtype
        made = source if plain else func(*_on_host(args), **_on_host(kwargs))
        if made is source and target != label(source):
            made = twin(source.detach())
        self._put(made, target)
        if crosses(source, made):
            if not _non_blocking(args, kwargs):
                self.note_wait(name_of(func))
            elif target == HOST:
                pin(made)  # so that nothing has to wait
        return made

    def _copied(self, target: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`copy_`, between any two devices; one to pageable memory waits whatever is asked."""
        free = _non_blocking((target, *args), kwargs)
        if crosses(source, target) and not (free and (is_labelled(target) or is_pinned(target))):
            self.note_wait("copy_")
        return put(target.copy_(source, *args, **kwargs), label(target))

    def _put(self, made: Any, device: torch.device) -> Any:
        self.devices.add(device)
        return put(made, device)


@contextmanager
def labelled_devices() -> Iterator[LabelledDevices]:
    """The mode in this thread and in all that it starts, with what no mode sees."""
    mode = LabelledDevices()
    with ExitStack() as stack:
        for name, answer in UNSEEN.items():
            stack.enter_context(patch.object(Tensor, name, answer))
        stack.enter_context(patch.object(threading.Thread, "start", _starting_under(mode)))
        yield stack.enter_context(mode)


def _starting_under(mode: LabelledDevices) -> Callable[[threading.Thread], None]:
    """`Thread.start`, whose thread runs under `mode`."""
    stock = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        run = thread.run

        def under() -> None:
            with mode:
                run()

        thread.run = under  # type: ignore[method-assign]
        stock(thread)

    return start


def _pinned_copy(tensor: Tensor) -> Tensor:
    if label(tensor) != HOST:
        raise RuntimeError("cannot pin a device tensor, only dense CPU tensors can be pinned")
    return pin(tensor.clone())


_ANSWERS: dict[Any, Callable[[Tensor], Any]] = {
    Tensor.device.__get__: label,
    Tensor.is_cuda.__get__: is_labelled,
    Tensor.is_cpu.__get__: lambda tensor: label(tensor) == HOST,
    Tensor.get_device: lambda tensor: label(tensor).index if is_labelled(tensor) else -1,
    Tensor.is_pinned: is_pinned,
    Tensor.pin_memory: _pinned_copy,
}
"""What a labelled tensor says of itself."""


def _non_blocking(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """What a copy was asked; it is the first truth value that `to`, `cuda` and `copy_` take."""
    positional = next((value for value in args[1:] if isinstance(value, bool)), False)
    return bool(kwargs.get("non_blocking", positional))


def _on_host(values: Any) -> Any:
    """Arguments with which the host can work: it is the only device that is there."""
    if isinstance(values, dict):
        kept = {name: one for name, one in values.items() if name != "pin_memory"}
        number = {"device": HOST} if type(kept.get("device")) is int else {}
        return dict(zip(kept, _on_host([*kept.values()]), strict=True)) | number
    return [HOST if _names_device(one) and "cuda" in str(one) else one for one in values]


def _names_device(value: Any) -> bool:
    if isinstance(value, str):
        return _DEVICE.fullmatch(value) is not None
    return isinstance(value, torch.device)


def _place() -> str:
    """Where the host waits: outside of torch and of this simulation, and in `chords_cli`."""
    frames = [frame for frame in _callers() if not frame.startswith(_OWN)]
    caller = frames[0] if frames else "the interpreter"
    product = next((frame for frame in frames if frame.startswith("chords_cli/")), caller)
    told = f"at {caller}" if product == caller else f"at {caller} from {product}"
    thread = threading.current_thread()
    return told if thread is threading.main_thread() else f"{told} in {thread.name}"


def _callers() -> Iterator[str]:
    """Files and lines, the innermost first, without the folders that they are installed in."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = re.sub(r".*/(site-packages|(?=chords_cli/|tests/))/?", "", frame.f_code.co_filename)
        yield f"{file}:{frame.f_lineno}"
        frame = frame.f_back
